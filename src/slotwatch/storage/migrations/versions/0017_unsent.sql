-- A delivery that was never tried leaves no attempt, so that metrics had nothing to count. Kept for a day.
CREATE TABLE unsent (
    notice_id BIGINT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT unsent_state_check CHECK (state IN ('missed', 'suppressed'))
);

CREATE INDEX unsent_at_idx ON unsent USING brin (at);

CREATE INDEX suppression_newest_idx ON suppression (at, channel, address);
