-- name: figures_by: what figures.sql counts and adds up, told apart by station, connector, local hour or the like.
-- guard: reads only; another vendor's bookings are not there.
-- index: booking_ended_idx (vendor_id, starts_at, id) holds all that is counted of ended bookings; booking_live_idx
-- (vendor_id, starts_at, id) leads to the few that run and counts those to come by itself.
-- Counted are bookings whose slot began in (:since, :until], and with :with_live all live ones. Hours are those of every
-- booking that touches the period, cut to it: earlier starts, by up to the longest slot, are read for their hours only.
WITH touched AS (
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
), named AS (
    SELECT CASE :by WHEN 'station' THEN station_id
                    WHEN 'connector' THEN connector_id
                    ELSE (SELECT CASE :by
                                 WHEN 'hour' THEN extract(hour FROM local)
                                 WHEN 'weekday' THEN extract(isodow FROM local) - 1
                                 WHEN 'hour_of_week' THEN extract(isodow FROM local) * 24 - 24 + extract(hour FROM local)
                                 WHEN 'day' THEN local::date - date '1970-01-01' END::bigint
                            FROM station AS s CROSS JOIN LATERAL (SELECT starts_at AT TIME ZONE s.zone) AS at(local)
                           WHERE s.id = station_id) END AS key,
           began,
           began OR :with_live AND state IN ('pending', 'confirmed', 'grace', 'active') AS counts,
           state, amount, currency, payment_status,
           CASE WHEN payment_status = 'partly_refunded'
                THEN (SELECT g.amount FROM ledger AS g WHERE g.booking_id = t.id AND g.entry = 'refunded') END AS part,
           least(:until, ends_at, coalesce(expired_at, ended_at)) - greatest(:since, starts_at) AS held,
           CASE WHEN checked_in_at IS NOT NULL
                THEN least(:until, ends_at, ended_at) - greatest(:since, starts_at, checked_in_at) END AS used,
           checked_in_at,
           CASE WHEN checked_in_at >= starts_at THEN checked_in_at - starts_at END AS into_grace
      FROM touched AS t CROSS JOIN LATERAL (SELECT starts_at > :since AND starts_at <= :until) AS in_period(began)
     WHERE :station_id::bigint IS NULL OR station_id = :station_id
), summed AS MATERIALIZED (  -- few groups, and few sums for each row: what they mean is worked out below, once a group
    SELECT key, state, currency, payment_status, counts, count(*) AS bookings, count(*) FILTER (WHERE began) AS begun,
           count(checked_in_at) AS checked_in,
           array_agg(into_grace) FILTER (WHERE into_grace IS NOT NULL) AS into_grace,
           sum(greatest(held, interval '0')) AS held,
           sum(greatest(used, interval '0')) AS used,
           sum(amount) AS amount,
           sum(part) AS part
      FROM named
     GROUP BY key, state, currency, payment_status, counts
), upcoming AS (
    SELECT station_id AS key, state, count(*) AS bookings
      FROM booking
     WHERE vendor_id = :vendor_id AND (:station_id::bigint IS NULL OR station_id = :station_id) AND due_at IS NOT NULL
       AND :with_live AND :by = 'station' AND starts_at > :until AND state IN ('pending', 'confirmed')
     GROUP BY 1, 2
)
SELECT key, state, currency,
       CASE WHEN counts THEN bookings ELSE 0 END AS bookings, begun,
       CASE WHEN counts AND payment_status = 'not_paid' THEN bookings ELSE 0 END AS never_paid,
       CASE WHEN counts THEN checked_in ELSE 0 END AS checked_in,
       CASE WHEN counts THEN coalesce(cardinality(into_grace), 0) ELSE 0 END AS in_grace,
       held, CASE WHEN state IN ('active', 'completed') THEN used END AS used,
       CASE WHEN counts AND state = 'completed' AND payment_status = 'paid' THEN amount END AS earned,
       CASE WHEN counts THEN CASE payment_status WHEN 'partly_refunded' THEN amount - coalesce(part, 0)
                                                 WHEN 'not_refunded' THEN amount END END AS kept,
       CASE WHEN counts AND payment_status IN ('forfeit_held', 'forfeited') THEN amount END AS forfeited,
       CASE WHEN counts AND state = 'expired' THEN amount END AS lost,
       CASE WHEN counts THEN CASE payment_status WHEN 'refunded' THEN amount WHEN 'partly_refunded' THEN part END END AS refunded,
       NULL::interval AS median
  FROM summed
UNION ALL
SELECT key, state, NULL, bookings, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM upcoming
UNION ALL
SELECT key, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, percentile_cont(0.5) WITHIN GROUP (ORDER BY a)
  FROM summed CROSS JOIN unnest(into_grace) AS a
 WHERE counts
 GROUP BY key
