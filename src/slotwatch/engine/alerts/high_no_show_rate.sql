-- name: high_no_show_rate: stations whose no-shows are surely above what is usual at their vendor's, or not yet surely below.
-- guard: reads only; the lower bound of the 95 % Wilson interval is compared, so that few bookings raise nothing.
-- index: booking_ended_idx
WITH rule AS MATERIALIZED (
    SELECT v.id AS vendor_id,
           coalesce((v.alert_rules ->> 'noShowDays')::int, :no_show_days::int) AS days,
           coalesce((v.alert_rules ->> 'noShowBookings')::int, :no_show_bookings::int) AS least,
           coalesce((v.alert_rules ->> 'noShowFloorPercent')::int, :no_show_floor_percent::int) / 100.0::float8 AS floor
      FROM vendor AS v
     WHERE v.id % :slices::bigint = :slice::bigint
       AND NOT coalesce(v.alert_rules -> 'off', '[]') @> '["high_no_show_rate"]'
), counted AS MATERIALIZED (
    SELECT r.vendor_id, b.station_id, b.starts_at > :now::timestamptz - make_interval(days => r.days) AS is_recent,
           count(*) FILTER (WHERE b.state = 'expired') AS missed, count(*) AS whole
      FROM rule AS r
      JOIN booking AS b ON b.vendor_id = r.vendor_id AND b.due_at IS NULL AND b.starts_at <= :now
       AND b.starts_at > :now - make_interval(days => r.days + :usual_days)
     WHERE b.state = 'expired' OR b.checked_in_at IS NOT NULL
     GROUP BY 1, 2, 3
), usual AS (  -- the weeks before; a vendor that is new is compared with all of its own stations now
    SELECT vendor_id,
           CASE WHEN coalesce(sum(whole) FILTER (WHERE NOT is_recent), 0) >= 50
                THEN sum(missed) FILTER (WHERE NOT is_recent) / sum(whole) FILTER (WHERE NOT is_recent)
                ELSE sum(missed) / sum(whole) END::float8 AS rate
      FROM counted GROUP BY 1
), measured AS (
    SELECT r.vendor_id, c.station_id, r.days, r.least, c.missed, c.whole, u.rate AS usual,
           greatest(u.rate, r.floor) AS limit_rate, c.missed / c.whole::float8 AS rate, c.whole::float8 AS n
      FROM rule AS r JOIN counted AS c ON c.vendor_id = r.vendor_id AND c.is_recent
      JOIN usual AS u ON u.vendor_id = r.vendor_id
      JOIN station AS s ON s.id = c.station_id AND s.removed_at IS NULL
), judged AS (
    SELECT *, (rate + 1.92073 / n - 1.95996 * sqrt(rate * (1 - rate) / n + 0.96036 / (n * n))) / (1 + 3.84146 / n) AS low
      FROM measured
)
SELECT vendor_id, 'ST-' || station_id AS subject, station_id, whole >= least AND low > limit_rate AS is_bad,
       jsonb_build_object('missed', missed, 'of', whole, 'rate', rate, 'usual', usual, 'days', days) AS detail
  FROM judged
 WHERE whole * 2 >= least AND low > 0.8 * limit_rate
