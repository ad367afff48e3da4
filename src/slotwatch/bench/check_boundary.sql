-- name: check_boundary: count what moving every booking once must have left behind.
-- guard: reads only
-- index: none: whole tables, after the measurement
SELECT (SELECT count(*) FROM booking WHERE state = 'grace' AND step = 'grace_half') AS moved,
       (SELECT count(*) FROM transition) AS transitions,
       (SELECT count(*) FROM notice) AS notices,
       (SELECT count(*) FROM delivery) AS deliveries,
       (SELECT count(*)
          FROM booking AS b
          LEFT JOIN (SELECT booking_id, count(*) AS found FROM transition GROUP BY 1) AS t ON t.booking_id = b.id
          LEFT JOIN (SELECT n.booking_id, count(DISTINCT n.id) AS notices, count(*) AS deliveries
                       FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id GROUP BY 1) AS n ON n.booking_id = b.id
         WHERE (t.found, n.notices, n.deliveries) IS DISTINCT FROM (1, 1, 2)) AS wrong
