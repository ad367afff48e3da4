-- A delivery names its slot from the beginning; 0 stands for the house, whose notices are about nobody's booking.
CREATE OR REPLACE FUNCTION name_slot() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    slot record;
BEGIN
    SELECT b.vendor_id, b.station_id, b.starts_at INTO slot
      FROM notice AS n JOIN booking AS b ON b.id = n.booking_id
     WHERE n.id = NEW.notice_id;
    IF FOUND THEN
        NEW.vendor_id := slot.vendor_id;
        NEW.station_id := slot.station_id;
        NEW.slot_starts_at := slot.starts_at;
    END IF;
    RETURN NEW;
END
$$;

UPDATE delivery AS d SET vendor_id = b.vendor_id, station_id = b.station_id, slot_starts_at = b.starts_at
  FROM notice AS n JOIN booking AS b ON b.id = n.booking_id
 WHERE n.id = d.notice_id AND d.state = 'pending';

UPDATE delivery SET vendor_id = 0 WHERE vendor_id IS NULL;

ALTER TABLE delivery ALTER COLUMN vendor_id SET DEFAULT '0', ALTER COLUMN vendor_id SET NOT NULL, DROP CONSTRAINT delivery_state_check, ADD CONSTRAINT delivery_state_check CHECK (state IN ('pending', 'unknown', 'sent', 'delivered', 'failed', 'missed', 'suppressed', 'set_aside'));

DROP INDEX delivery_claim_idx;

CREATE INDEX delivery_claim_idx ON delivery (channel, urgency, vendor_id, next_attempt_at) WHERE state = 'pending';

DROP INDEX delivery_dead_idx;

CREATE INDEX delivery_dead_idx ON delivery (notice_id) WHERE state IN ('unknown', 'failed', 'set_aside');

CREATE TABLE recipient_day (
    address TEXT NOT NULL,
    day DATE NOT NULL,
    messages INTEGER NOT NULL,
    CONSTRAINT recipient_day_pkey PRIMARY KEY (address, day)
);
