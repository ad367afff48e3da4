-- name: no_check_ins: stations whose last bookings were all no-shows, one after the other.
-- guard: reads only; one driver who came ends it.
-- index: booking_station_idx, read from its end
SELECT s.vendor_id, 'ST-' || s.id AS subject, s.id AS station_id, latest.seen >= rule.least AS is_bad,
       jsonb_build_object('bookings', latest.seen) AS detail
  FROM station AS s
  JOIN vendor AS v ON v.id = s.vendor_id AND NOT coalesce(v.alert_rules -> 'off', '[]') @> '["no_check_ins"]'
 CROSS JOIN LATERAL (
       SELECT coalesce((v.alert_rules ->> 'silentBookings')::int, :silent_bookings::int) AS least) AS rule
 CROSS JOIN LATERAL (
       SELECT count(*) AS seen, count(one.checked_in_at) AS came
         FROM (SELECT b.checked_in_at FROM booking AS b
                WHERE b.station_id = s.id AND b.starts_at <= :now::timestamptz
                  AND b.starts_at > :now - interval '7 days'
                  AND (b.state = 'expired' OR b.checked_in_at IS NOT NULL)
                ORDER BY b.starts_at DESC LIMIT rule.least) AS one) AS latest
 WHERE s.removed_at IS NULL AND latest.came = 0 AND latest.seen * 2 >= rule.least
