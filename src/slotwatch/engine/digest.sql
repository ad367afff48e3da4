-- name: digest: vendors where it is morning now, with the zone of their first station and the day that it is there.
-- guard: read only; who was told is known by the occasion of each notice.
-- index: reads every vendor and its first station
WITH place AS (
    SELECT v.id AS vendor_id, s.zone, :now::timestamptz AT TIME ZONE s.zone AS local
      FROM vendor AS v
     CROSS JOIN LATERAL (
           SELECT zone FROM station WHERE vendor_id = v.id AND removed_at IS NULL ORDER BY id LIMIT 1) AS s
)
SELECT vendor_id, zone, local::date AS today
  FROM place
 WHERE local::time >= :since::time AND local::time < :until::time
 ORDER BY vendor_id
