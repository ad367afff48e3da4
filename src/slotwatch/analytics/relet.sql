-- name: relet: at each connector, how many no-shows made room for somebody: the rest of the slot was let again.
-- guard: reads only. A booking that was cancelled, or never paid, did not use the room.
-- index: booking_ended_idx (vendor_id, starts_at, id) for the no-shows, booking_station_idx for what came after each
SELECT b.station_id, b.connector_id, count(*) AS let_again
  FROM booking AS b
 WHERE b.vendor_id = :vendor_id AND b.due_at IS NULL AND b.starts_at > :since AND b.starts_at <= :until
   AND b.state = 'expired' AND (:station_id::bigint IS NULL OR b.station_id = :station_id)
   AND EXISTS (SELECT FROM booking AS next
                WHERE next.station_id = b.station_id AND next.connector_id = b.connector_id
                  AND next.starts_at >= b.expired_at AND next.starts_at < b.ends_at
                  AND next.state NOT IN ('pending', 'cancelled'))
 GROUP BY 1, 2
