-- A session keeps the plans of its functions. One that was made while tables were small, or believed to be, reads them
-- from end to end for each call, a minute or longer, however much they have grown since: a boundary of 20,000 bookings
-- cost a quarter of its time that way. These look rows up by their key, and are told so.
CREATE OR REPLACE FUNCTION tell_board_of_deliveries() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO board_change (xid, vendor_id, station_id, booking_ids)
    SELECT pg_current_xact_id()::text::bigint, c.vendor_id, c.station_id,
           CASE WHEN count(*) <= 200
                THEN array_agg(DISTINCT (SELECT n.booking_id FROM notice AS n WHERE n.id = c.notice_id)) ELSE '{}' END
      FROM changed AS c
     WHERE c.state <> 'pending' AND c.vendor_id IS NOT NULL
     GROUP BY c.vendor_id, c.station_id;
    RETURN NULL;
END
$$;

ALTER FUNCTION name_slot() SET enable_seqscan = off;

ALTER FUNCTION tell_board_of_dispute() SET enable_seqscan = off;

ALTER FUNCTION tell_board_of_connector() SET enable_seqscan = off;
