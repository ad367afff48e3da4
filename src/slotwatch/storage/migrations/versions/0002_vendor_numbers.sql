ALTER TABLE delivery ADD COLUMN vendor_id BIGINT, ADD COLUMN station_id BIGINT, ADD COLUMN slot_starts_at TIMESTAMP WITH TIME ZONE;

-- A delivery that is no longer pending names the slot that it was about, whoever wrote it, so that a vendor's delivery
-- rates are one walk along delivery_slot_idx. Rows that say it themselves pay nothing.
CREATE FUNCTION name_slot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT b.vendor_id, b.station_id, b.starts_at INTO NEW.vendor_id, NEW.station_id, NEW.slot_starts_at
      FROM notice AS n JOIN booking AS b ON b.id = n.booking_id
     WHERE n.id = NEW.notice_id;
    RETURN NEW;
END
$$;

CREATE TRIGGER delivery_names_slot BEFORE INSERT OR UPDATE ON delivery
    FOR EACH ROW WHEN (NEW.state <> 'pending' AND NEW.slot_starts_at IS NULL) EXECUTE FUNCTION name_slot();

UPDATE delivery AS d SET vendor_id = b.vendor_id, station_id = b.station_id, slot_starts_at = b.starts_at
  FROM notice AS n JOIN booking AS b ON b.id = n.booking_id
 WHERE n.id = d.notice_id AND d.state <> 'pending';

CREATE INDEX delivery_slot_idx ON delivery (vendor_id, channel, state, slot_starts_at, station_id) WHERE state <> 'pending';

CREATE INDEX booking_live_idx ON booking (vendor_id, starts_at, id) INCLUDE (station_id, state) WHERE due_at IS NOT NULL;

CREATE INDEX booking_ended_idx ON booking (vendor_id, starts_at, id) INCLUDE (station_id, connector_id, state, ends_at, checked_in_at, expired_at, ended_at, amount, currency, payment_status) WHERE due_at IS NULL;

ALTER TABLE dispute ADD COLUMN note TEXT, ADD COLUMN decided_by TEXT, ADD CONSTRAINT dispute_decision_check CHECK ((decision IS NULL) = (decided_at IS NULL) AND decision IN ('uphold', 'refund'));
