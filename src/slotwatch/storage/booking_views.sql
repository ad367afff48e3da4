-- name: booking_views: a page of one driver's bookings as people see them, with what was told, in one read.
-- guard: reads only; a booking of another driver is not there.
-- index: booking_driver_idx (driver_id, starts_at); notice by its unique key.
WITH page AS (
    SELECT * FROM booking
     WHERE driver_id = :driver_id
       AND (:states::text[] IS NULL OR state = ANY (:states))
       AND (:since::timestamptz IS NULL OR starts_at >= :since)
       AND (:until::timestamptz IS NULL OR starts_at < :until)
       AND (:before::timestamptz IS NULL OR (starts_at, id) < (:before, :before_id::bigint))
     ORDER BY starts_at DESC, id DESC
     LIMIT :limit
)
SELECT b.*, s.name AS station_name, s.zone, c.label, coalesce(:now::timestamptz, clock_timestamp()) AS now,
       CASE WHEN b.state IN ('confirmed', 'grace')
                 AND b.grace_ends_at < coalesce(:now::timestamptz, clock_timestamp()) THEN fair_grace_end(
            b.starts_at, b.ends_at,
            least(make_interval(mins => (b.terms ->> 'gracePeriodMinutes')::int), b.ends_at - b.starts_at),
            coalesce(:now::timestamptz, clock_timestamp())) END AS owed_until,
       CASE WHEN b.payment_status IN ('refunded', 'partly_refunded') THEN coalesce((
            SELECT g.amount FROM ledger AS g WHERE g.booking_id = b.id AND g.entry = 'refunded'), 0) ELSE 0
       END AS refunded,
       told.notice_ids, told.kinds, told.occasions, told.channels, told.states AS delivery_states, told.attempts,
       told.sent_ats
  FROM page AS b
  JOIN station AS s ON s.id = b.station_id
  JOIN connector AS c ON c.id = b.connector_id
 CROSS JOIN LATERAL (
       SELECT array_agg(n.id ORDER BY n.id, d.channel) AS notice_ids,
              array_agg(n.kind ORDER BY n.id, d.channel) AS kinds,
              array_agg(n.occasion ORDER BY n.id, d.channel) AS occasions,
              array_agg(d.channel ORDER BY n.id, d.channel) AS channels,
              array_agg(d.state ORDER BY n.id, d.channel) AS states,
              array_agg(d.attempts ORDER BY n.id, d.channel) AS attempts,
              array_agg(d.sent_at ORDER BY n.id, d.channel) AS sent_ats
         FROM notice AS n
         JOIN delivery AS d ON d.notice_id = n.id
        WHERE n.booking_id = b.id) AS told
 ORDER BY b.starts_at DESC, b.id DESC
