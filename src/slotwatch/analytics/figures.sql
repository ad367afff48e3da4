-- name: figures: a vendor's bookings of one period as a whole, counted and added up.
-- guard: reads only; another vendor's bookings are not there.
-- index: booking_ended_idx (vendor_id, starts_at, id) holds all that is counted of ended bookings; booking_live_idx
-- (vendor_id, starts_at, id) leads to the few that run and counts those to come by itself.
-- Counted are bookings whose slot began in (:since, :until], and with :with_live all live ones. Hours are those of every
-- booking that touches the period, cut to it: earlier starts, by up to the longest slot, are read for their hours only.
-- Ended ones that began in the period are nearly all rows. They are grouped right off the index, where PostgreSQL knows
-- how few groups there will be and need not sort, and only what can differ for them is worked out.
WITH ended AS (
    SELECT state, currency, payment_status, true AS counts, count(*) AS bookings, count(*) AS begun,
           count(checked_in_at) AS checked_in,
           array_agg(checked_in_at - starts_at) FILTER (WHERE checked_in_at >= starts_at) AS into_grace,
           array_agg(id) FILTER (WHERE payment_status = 'partly_refunded') AS partly_refunded,
           sum(greatest(starts_at, least(:until, ends_at, coalesce(expired_at, ended_at))) - starts_at) AS held,
           sum(CASE WHEN state = 'completed' AND checked_in_at IS NOT NULL
                    THEN greatest(starts_at, checked_in_at, least(:until, ends_at, ended_at)) - greatest(starts_at, checked_in_at)
                END) AS used,
           sum(amount) AS amount
      FROM booking
     WHERE vendor_id = :vendor_id AND (:station_id::bigint IS NULL OR station_id = :station_id) AND due_at IS NULL
       AND starts_at > :since AND starts_at <= :until
     GROUP BY 1, 2, 3
), touched AS (
    SELECT *, false AS counts FROM booking  -- ended and began earlier, by up to the longest slot: its hours only
     WHERE vendor_id = :vendor_id AND due_at IS NULL
       AND starts_at > :since::timestamptz - :longest::interval AND starts_at <= :since
    UNION ALL  -- live and begun, however long ago
    SELECT *, :with_live OR starts_at > :since FROM booking
     WHERE vendor_id = :vendor_id AND due_at IS NOT NULL AND starts_at <= :until
    UNION ALL  -- checked in before the start: few of those to come, so only theirs is more than a look at the index
    SELECT *, true FROM booking
     WHERE id = ANY (ARRAY(SELECT id FROM booking
                            WHERE vendor_id = :vendor_id AND due_at IS NOT NULL AND :with_live AND state = 'active'
                              AND starts_at > :until AND starts_at <= :until::timestamptz + :earliest::interval))
), summed AS MATERIALIZED (
    SELECT * FROM ended
    UNION ALL
    SELECT state, currency, payment_status, counts, count(*), count(*) FILTER (WHERE starts_at > :since AND starts_at <= :until),
           count(checked_in_at),
           array_agg(checked_in_at - starts_at) FILTER (WHERE checked_in_at >= starts_at),
           array_agg(id) FILTER (WHERE payment_status = 'partly_refunded'),
           sum(greatest(least(:until, ends_at, coalesce(expired_at, ended_at)) - greatest(:since, starts_at), interval '0')),
           sum(CASE WHEN state IN ('active', 'completed') AND checked_in_at IS NOT NULL
                    THEN greatest(least(:until, ends_at, ended_at) - greatest(:since, starts_at, checked_in_at), interval '0')
                END),
           sum(amount)
      FROM touched
     WHERE :station_id::bigint IS NULL OR station_id = :station_id
     GROUP BY 1, 2, 3, 4
)
SELECT 0 AS key, state, currency,
       CASE WHEN counts THEN bookings ELSE 0 END AS bookings, begun,
       CASE WHEN counts AND payment_status = 'not_paid' THEN bookings ELSE 0 END AS never_paid,
       CASE WHEN counts THEN checked_in ELSE 0 END AS checked_in,
       CASE WHEN counts THEN coalesce(cardinality(into_grace), 0) ELSE 0 END AS in_grace,
       held, used,
       CASE WHEN counts AND state = 'completed' AND payment_status = 'paid' THEN amount END AS earned,
       CASE WHEN counts THEN CASE payment_status WHEN 'partly_refunded' THEN amount - coalesce(part, 0)
                                                 WHEN 'not_refunded' THEN amount END END AS kept,
       CASE WHEN counts AND payment_status IN ('forfeit_held', 'forfeited') THEN amount END AS forfeited,
       CASE WHEN counts AND state = 'expired' THEN amount END AS lost,
       CASE WHEN counts THEN CASE payment_status WHEN 'refunded' THEN amount WHEN 'partly_refunded' THEN part END END AS refunded,
       NULL::interval AS median
  FROM summed
 CROSS JOIN LATERAL (SELECT sum(g.amount) AS part FROM ledger AS g
                      WHERE g.booking_id = ANY (partly_refunded) AND g.entry = 'refunded') AS ledger
UNION ALL
SELECT 0, state, NULL, count(*), 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM booking  -- to come
 WHERE vendor_id = :vendor_id AND (:station_id::bigint IS NULL OR station_id = :station_id) AND due_at IS NOT NULL
   AND :with_live AND starts_at > :until AND state IN ('pending', 'confirmed')
 GROUP BY state
UNION ALL
SELECT 0, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, percentile_cont(0.5) WITHIN GROUP (ORDER BY a)
  FROM summed CROSS JOIN unnest(into_grace) AS a
 WHERE counts
