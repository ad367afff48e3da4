-- name: set_aside: whether there are bookings that could not be moved three times.
-- guard: reads only.
-- index: booking_set_aside_idx
SELECT NULL::bigint AS vendor_id, 'bookings' AS subject, NULL::bigint AS station_id, true AS is_bad,
       jsonb_build_object('bookings', count(*)) AS detail
  FROM booking
 WHERE set_aside
HAVING count(*) > 0
