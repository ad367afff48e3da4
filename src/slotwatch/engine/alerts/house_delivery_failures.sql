-- name: house_delivery_failures: providers that refused or lost too many tries of the last half hour.
-- guard: reads only.
-- index: attempt_at_idx
SELECT NULL::bigint AS vendor_id, a.channel || '/' || a.provider AS subject, NULL::bigint AS station_id,
       count(*) >= :failure_messages::int AND avg((a.outcome <> 'accepted')::int) >= :failure_percent::int / 100.0 AS is_bad,
       jsonb_build_object('failed', count(*) FILTER (WHERE a.outcome <> 'accepted'), 'of', count(*),
                          'rate', avg((a.outcome <> 'accepted')::int)) AS detail
  FROM attempt AS a
 WHERE a.at > :now::timestamptz - interval '30 minutes' AND a.at <= :now
   AND a.outcome <> 'unknown'  -- our own death, nothing that the provider did
 GROUP BY a.channel, a.provider
HAVING count(*) * 2 >= :failure_messages AND avg((a.outcome <> 'accepted')::int) > :failure_percent / 200.0
