ALTER TABLE connector ADD COLUMN screen_number INTEGER DEFAULT 0 NOT NULL;

ALTER TABLE dispute ADD COLUMN vendor_id BIGINT;

UPDATE dispute AS d SET vendor_id = b.vendor_id FROM booking AS b WHERE b.id = d.booking_id;

ALTER TABLE dispute ALTER COLUMN vendor_id SET NOT NULL;

ALTER TABLE dispute ADD CONSTRAINT dispute_vendor_id_fkey FOREIGN KEY(vendor_id) REFERENCES vendor (id);

CREATE INDEX dispute_vendor_idx ON dispute (vendor_id, opened_at, booking_id);
