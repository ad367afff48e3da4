-- What changed for whom, for viewers of the live board (docs/decisions/0016). Written by triggers, so that no writer
-- can forget it; one row per statement and station, so that a batch of thousands of bookings costs next to nothing.
CREATE TABLE board_change (
    xid BIGINT NOT NULL,
    vendor_id BIGINT NOT NULL,
    station_id BIGINT,
    booking_ids BIGINT[] NOT NULL,
    stale BOOLEAN DEFAULT 'false' NOT NULL
);

CREATE INDEX board_change_xid_idx ON board_change (xid);

-- Many bookings of one station at once are told without their ids: the viewer looks at the whole station.
CREATE FUNCTION tell_board_of_bookings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO board_change (xid, vendor_id, station_id, booking_ids)
    SELECT pg_current_xact_id()::text::bigint, vendor_id, station_id,
           CASE WHEN count(*) <= 200 THEN array_agg(id) ELSE '{}' END
      FROM changed
     GROUP BY vendor_id, station_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER booking_added_tells_board AFTER INSERT ON booking REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION tell_board_of_bookings();

CREATE TRIGGER booking_changed_tells_board AFTER UPDATE ON booking REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION tell_board_of_bookings();

-- A delivery names its vendor from when it is no longer pending (0002), and before that nothing about it changes.
CREATE FUNCTION tell_board_of_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO board_change (xid, vendor_id, station_id, booking_ids)
    SELECT pg_current_xact_id()::text::bigint, c.vendor_id, c.station_id,
           CASE WHEN count(*) <= 200 THEN array_agg(DISTINCT n.booking_id) ELSE '{}' END
      FROM changed AS c JOIN notice AS n ON n.id = c.notice_id
     WHERE c.state <> 'pending' AND c.vendor_id IS NOT NULL
     GROUP BY c.vendor_id, c.station_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER delivery_changed_tells_board AFTER UPDATE ON delivery REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION tell_board_of_deliveries();

CREATE FUNCTION tell_board_of_dispute() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO board_change (xid, vendor_id, station_id, booking_ids)
    SELECT pg_current_xact_id()::text::bigint, vendor_id, station_id, ARRAY[id] FROM booking WHERE id = NEW.booking_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER dispute_tells_board AFTER INSERT OR UPDATE ON dispute
    FOR EACH ROW EXECUTE FUNCTION tell_board_of_dispute();

CREATE FUNCTION tell_board_of_station() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO board_change (xid, vendor_id, station_id, booking_ids)
    VALUES (pg_current_xact_id()::text::bigint, NEW.vendor_id, NEW.id, '{}');
    RETURN NULL;
END
$$;

CREATE TRIGGER station_tells_board AFTER INSERT OR UPDATE ON station
    FOR EACH ROW EXECUTE FUNCTION tell_board_of_station();

CREATE FUNCTION tell_board_of_connector() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO board_change (xid, vendor_id, station_id, booking_ids)
    SELECT pg_current_xact_id()::text::bigint, vendor_id, id, '{}' FROM station WHERE id = NEW.station_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER connector_tells_board AFTER INSERT OR UPDATE ON connector
    FOR EACH ROW EXECUTE FUNCTION tell_board_of_connector();

CREATE FUNCTION tell_board_of_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO board_change (xid, vendor_id, booking_ids)
    VALUES (pg_current_xact_id()::text::bigint, NEW.vendor_id, '{}');
    RETURN NULL;
END
$$;

CREATE TRIGGER alert_tells_board AFTER INSERT OR UPDATE ON alert
    FOR EACH ROW WHEN (NEW.vendor_id IS NOT NULL) EXECUTE FUNCTION tell_board_of_alert();

-- A booking's story shows the providers' reports on each of its messages.
CREATE INDEX receipt_message_idx ON receipt (provider, message_id) WHERE message_id IS NOT NULL;
