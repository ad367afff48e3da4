-- name: engine_late: whether the oldest due booking has been due for too long.
-- guard: reads only.
-- index: booking_due_idx
SELECT NULL::bigint AS vendor_id, 'engine' AS subject, NULL::bigint AS station_id,
       late.by > interval '60 seconds' AS is_bad,
       jsonb_build_object('seconds', extract(epoch FROM late.by)::int) AS detail
  FROM (SELECT :now::timestamptz - due_at AS by FROM booking
         WHERE due_at IS NOT NULL AND NOT set_aside ORDER BY due_at, id LIMIT 1) AS late
 WHERE late.by > interval '10 seconds'
