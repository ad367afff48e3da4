-- What was reported of a booking's messages is read by their notices: whichever server or key found the delivery. The index
-- by message served the page that read them otherwise.
ALTER TABLE receipt ADD COLUMN happened_at TIMESTAMP WITH TIME ZONE, ADD COLUMN heard BOOLEAN DEFAULT 'false' NOT NULL;

CREATE INDEX receipt_notice_idx ON receipt (notice_id) WHERE notice_id IS NOT NULL;

DROP INDEX receipt_message_idx;
