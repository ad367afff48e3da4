-- name: figures: a vendor's bookings of one period, counted and added up by station, connector, local hour or the like.
-- guard: reads only; another vendor's bookings are not there.
-- index: booking_ended_idx (vendor_id, starts_at) holds all that is counted of ended bookings; booking_live_idx
-- (vendor_id, starts_at) leads to the few that run, and counts those to come by itself.
-- Counted are bookings whose slot began in (:since, :until], and with :with_live whatever is live. Hours are those of
-- every booking that touches the period, cut to it, so earlier starts are read too, but only for their hours.
WITH place AS MATERIALIZED (
    SELECT id, zone FROM station
     WHERE vendor_id = :vendor_id AND (:station_id::bigint IS NULL OR id = :station_id)
), touched AS MATERIALIZED (
    SELECT id, station_id, connector_id, state, starts_at, ends_at, checked_in_at, expired_at, ended_at,
           amount, currency, payment_status
      FROM booking
     WHERE vendor_id = :vendor_id AND due_at IS NULL
       AND starts_at > :since::timestamptz - :longest::interval AND starts_at <= :until
    UNION ALL  -- live and begun, however long ago
    SELECT id, station_id, connector_id, state, starts_at, ends_at, checked_in_at, expired_at, ended_at,
           amount, currency, payment_status
      FROM booking
     WHERE vendor_id = :vendor_id AND due_at IS NOT NULL AND starts_at <= :until
    UNION ALL  -- checked in before the start
    SELECT id, station_id, connector_id, state, starts_at, ends_at, checked_in_at, expired_at, ended_at,
           amount, currency, payment_status
      FROM booking
     WHERE vendor_id = :vendor_id AND due_at IS NOT NULL AND :with_live AND state = 'active'
       AND starts_at > :until AND starts_at <= :until::timestamptz + :earliest::interval
), named AS MATERIALIZED (
    SELECT CASE :by WHEN 'station' THEN t.station_id
                    WHEN 'connector' THEN t.connector_id
                    WHEN 'hour' THEN extract(hour FROM t.starts_at AT TIME ZONE place.zone)::bigint
                    WHEN 'weekday' THEN extract(isodow FROM t.starts_at AT TIME ZONE place.zone)::bigint - 1
                    WHEN 'hour_of_week' THEN extract(isodow FROM t.starts_at AT TIME ZONE place.zone)::bigint * 24 - 24
                                             + extract(hour FROM t.starts_at AT TIME ZONE place.zone)::bigint
                    WHEN 'day' THEN (t.starts_at AT TIME ZONE place.zone)::date - date '1970-01-01'
                    ELSE 0 END AS key,
           (t.starts_at > :since AND t.starts_at <= :until)
             OR (:with_live AND t.state IN ('pending', 'confirmed', 'grace', 'active')) AS counts,
           t.state, t.amount, t.currency, t.payment_status,
           CASE t.payment_status
                WHEN 'refunded' THEN t.amount
                WHEN 'partly_refunded' THEN (SELECT g.amount FROM ledger AS g
                                              WHERE g.booking_id = t.id AND g.entry = 'refunded')
                ELSE 0 END AS refunded,
           least(:until, t.ends_at, t.expired_at, t.ended_at) - greatest(:since, t.starts_at) AS held,
           CASE WHEN t.state IN ('active', 'completed')
                THEN least(:until, t.ends_at, t.ended_at) - greatest(:since, t.starts_at, t.checked_in_at) END AS used,
           t.checked_in_at IS NOT NULL AS checked_in,
           CASE WHEN t.checked_in_at >= t.starts_at THEN t.checked_in_at - t.starts_at END AS into_grace
      FROM touched AS t
      JOIN place ON place.id = t.station_id
), upcoming AS (
    SELECT CASE :by WHEN 'station' THEN b.station_id ELSE 0 END AS key, b.state, count(*) AS bookings
      FROM booking AS b
      JOIN place ON place.id = b.station_id
     WHERE b.vendor_id = :vendor_id AND b.due_at IS NOT NULL AND :with_live AND :by IN ('all', 'station')
       AND b.starts_at > :until AND b.state IN ('pending', 'confirmed')
     GROUP BY 1, 2
)
SELECT key, state, currency, count(*) FILTER (WHERE counts) AS bookings,
       count(*) FILTER (WHERE counts AND payment_status = 'not_paid') AS never_paid,
       count(*) FILTER (WHERE counts AND checked_in) AS checked_in,
       count(into_grace) FILTER (WHERE counts) AS in_grace,
       sum(held) FILTER (WHERE held > interval '0') AS held, sum(used) FILTER (WHERE used > interval '0') AS used,
       sum(amount) FILTER (WHERE counts) AS price,
       sum(refunded) FILTER (WHERE counts) AS refunded,
       sum(amount) FILTER (WHERE counts AND state = 'completed' AND payment_status = 'paid') AS earned,
       sum(amount - refunded) FILTER (WHERE counts AND payment_status IN ('not_refunded', 'partly_refunded')) AS kept,
       sum(amount) FILTER (WHERE counts AND payment_status IN ('forfeit_held', 'forfeited')) AS forfeited,
       NULL::interval AS median
  FROM named
 GROUP BY key, state, currency
UNION ALL
SELECT key, state, NULL, bookings, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0, NULL FROM upcoming
UNION ALL
SELECT key, NULL, NULL, 0, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY into_grace)
  FROM named
 WHERE counts AND into_grace IS NOT NULL
 GROUP BY key
