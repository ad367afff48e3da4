-- name: house_outage: the parts of slotwatch that were down within the last hour and are back.
-- guard: reads only.
-- index: outage_ended_idx
SELECT NULL::bigint AS vendor_id, component AS subject, NULL::bigint AS station_id,
       max(ended_at) > :now::timestamptz - interval '30 minutes' AS is_bad,
       jsonb_build_object('began_at', min(began_at), 'ended_at', max(ended_at)) AS detail
  FROM outage
 WHERE ended_at > :now - interval '1 hour'
 GROUP BY component
