-- name: vendor_outage: vendors whose drivers waited in grace while slotwatch itself was down, within the last hour.
-- guard: reads only.
-- index: outage_ended_idx, booking_station_idx
SELECT s.vendor_id, 'slotwatch' AS subject, NULL::bigint AS station_id,
       max(o.ended_at) > :now::timestamptz - interval '30 minutes' AS is_bad,
       jsonb_build_object('began_at', min(o.began_at), 'ended_at', max(o.ended_at)) AS detail
  FROM outage AS o
 CROSS JOIN station AS s
  JOIN vendor AS v ON v.id = s.vendor_id AND NOT coalesce(v.alert_rules -> 'off', '[]') @> '["outage"]'
 CROSS JOIN LATERAL (  -- the LIMIT keeps it a look-up a station: outages are few, bookings are not
       SELECT b.id FROM booking AS b
        WHERE b.station_id = s.id AND b.starts_at < o.ended_at AND b.starts_at > o.began_at - interval '8 hours'
          AND b.grace_ends_at > o.began_at AND b.started_at IS NOT NULL LIMIT 1) AS waited
 WHERE o.ended_at > :now - interval '1 hour'
 GROUP BY s.vendor_id
