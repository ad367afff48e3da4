-- name: booking_view: one booking of one driver as people see it: place, time, and what was told on which channel.
-- guard: reads only; a booking of another driver is not there.
-- index: booking_pkey; notice by its unique key. Apart from booking_views: one plan for both could not use the key.
WITH b AS (
    SELECT * FROM booking WHERE id = :id AND driver_id = :driver_id
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
  FROM b
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
