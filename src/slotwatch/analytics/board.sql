-- name: board: what a vendor's connectors are booked for in a window of time, with the drivers' names.
-- guard: reads only; another vendor's bookings are not there.
-- index: booking_live_idx and booking_ended_idx (vendor_id, starts_at, id); earlier starts are read by up to the longest slot.
SELECT b.id, b.station_id, b.connector_id, b.state, b.starts_at, b.ends_at, b.grace_ends_at, b.checked_in_at,
       coalesce(b.expired_at, b.ended_at) AS freed_at, b.end_reason, b.vehicle, d.name AS driver_name
  FROM (SELECT * FROM booking
         WHERE vendor_id = :vendor_id AND due_at IS NOT NULL
           AND starts_at > :since::timestamptz - :longest::interval AND starts_at < :until
        UNION ALL
        SELECT * FROM booking
         WHERE vendor_id = :vendor_id AND due_at IS NULL
           AND starts_at > :since::timestamptz - :longest::interval AND starts_at < :until) AS b
  JOIN driver AS d ON d.id = b.driver_id
 WHERE b.ends_at > :since
   AND (:station_ids::bigint[] IS NULL OR b.station_id = ANY (:station_ids))
   AND (:state::text IS NULL OR b.state = :state)
   AND (:words::text IS NULL OR b.id = :booking_id OR d.name ILIKE :words
        OR replace(replace(b.vehicle, ' ', ''), '-', '') ILIKE :plate)
 ORDER BY b.starts_at, b.id
 LIMIT :limit
