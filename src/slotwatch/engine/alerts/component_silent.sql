-- name: component_silent: the parts of slotwatch of which no process is alive; one that never beat is not watched.
-- guard: reads only.
-- index: none: it has a row for each part
SELECT NULL::bigint AS vendor_id, component AS subject, NULL::bigint AS station_id,
       beat_at < :now::timestamptz - interval '60 seconds' AS is_bad,
       jsonb_build_object('beat_at', beat_at) AS detail
  FROM pulse
 WHERE beat_at < :now - interval '15 seconds'
