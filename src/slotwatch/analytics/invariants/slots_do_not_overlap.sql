-- name: slots_do_not_overlap: at no time did two bookings hold the same connector for overlapping slots
-- guard: read only
-- index: booking is read whole; slots last 8 h at most, so overlapping ones begin in the same or in neighbouring windows
WITH held AS (  -- who held which slot, and from when until when they held it
    SELECT id, connector_id, tstzrange(starts_at, ends_at) AS slot,
           tstzrange(created_at, coalesce(expired_at, ended_at), '[)') AS life,
           floor(extract(epoch FROM starts_at) / 28800) AS "window"
      FROM booking
)
SELECT one.id AS booking_id, format('overlaps booking %s on connector %s', two.id, one.connector_id) AS fault
  FROM held AS one
 CROSS JOIN LATERAL (VALUES (one."window"), (one."window" + 1)) AS near("window")
  JOIN held AS two ON two.connector_id = one.connector_id AND two."window" = near."window"
 WHERE two.slot && one.slot AND two.life && one.life
   AND (two."window" > one."window" OR two.id > one.id)
