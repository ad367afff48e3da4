-- Notices about no booking hold names and addresses: they go after their time.
CREATE INDEX notice_own_valid_idx ON notice (valid_until) WHERE booking_id IS NULL;

CREATE INDEX alert_past_idx ON alert (coalesce(vendor_id, 0), id) WHERE resolved_at IS NOT NULL;

-- Which part of the vendors the watch looked at last: the clock skips minutes, a counter does not.
ALTER TABLE watch_run ADD COLUMN slice INTEGER DEFAULT 0 NOT NULL;
