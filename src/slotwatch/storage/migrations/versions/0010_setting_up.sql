CREATE TABLE watch_run (
    what TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT watch_run_pkey PRIMARY KEY (what)
);

ALTER TABLE connector DROP CONSTRAINT connector_station_id_label_key;

CREATE UNIQUE INDEX connector_label_idx ON connector (station_id, label) WHERE removed_at IS NULL;
