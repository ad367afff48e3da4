CREATE TABLE receipt (
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    message_id TEXT,
    notice_id BIGINT,
    status TEXT NOT NULL,
    error TEXT,
    suppress BOOLEAN NOT NULL,
    address TEXT,
    matched BOOLEAN NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT receipt_pkey PRIMARY KEY (provider, event_id),
    CONSTRAINT receipt_status_check CHECK (status IN ('sent', 'delivered', 'failed', 'stop', 'start'))
);

CREATE INDEX receipt_waiting_idx ON receipt (at) WHERE NOT matched;

CREATE INDEX receipt_at_idx ON receipt USING brin (at);

CREATE TABLE suppression (
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT suppression_pkey PRIMARY KEY (channel, address)
);

CREATE INDEX delivery_message_idx ON delivery (provider, provider_message_id) WHERE provider_message_id IS NOT NULL AND provider <> 'inbox';
