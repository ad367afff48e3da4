-- name: vendor_delivery_failures: channels on which too many of a vendor's messages failed, of slots of a day around now.
-- guard: reads only; a failure counts once all of its tries are used up.
-- index: delivery_slot_idx
WITH counted AS (
    SELECT v.id AS vendor_id, v.alert_rules, c.channel, sum(found.n) AS whole,
           sum(found.n) FILTER (WHERE s.state IN ('failed', 'missed', 'set_aside')) AS failed
      FROM vendor AS v
     CROSS JOIN unnest(:channels::text[]) AS c(channel)
     CROSS JOIN unnest(ARRAY['sent', 'delivered', 'failed', 'missed', 'set_aside']) AS s(state)
     CROSS JOIN LATERAL (
           SELECT count(*) AS n FROM delivery AS d
            WHERE d.vendor_id = v.id AND d.channel = c.channel AND d.state = s.state AND d.state <> 'pending'
              AND d.slot_starts_at > :now::timestamptz - interval '24 hours'
              AND d.slot_starts_at <= :now + interval '24 hours') AS found
     WHERE v.id % least(:slices::bigint, 5) = :slice::bigint % 5
       AND NOT coalesce(v.alert_rules -> 'off', '[]') @> '["delivery_failures"]'
     GROUP BY 1, 2, 3
    HAVING sum(found.n) > 0
), judged AS (
    SELECT *, coalesce(failed, 0) / whole::float8 AS rate,
           coalesce((alert_rules ->> 'failurePercent')::int, :failure_percent::int) / 100.0::float8 AS limit_rate,
           coalesce((alert_rules ->> 'failureMessages')::int, :failure_messages::int) AS least
      FROM counted
)
SELECT vendor_id, channel AS subject, NULL::bigint AS station_id, whole >= least AND rate >= limit_rate AS is_bad,
       jsonb_build_object('failed', failed, 'of', whole, 'rate', rate) AS detail
  FROM judged
 WHERE whole * 2 >= least AND rate > limit_rate / 2
