-- name: check_outbox: count what sending every delivery once must have left behind.
-- guard: reads only
-- index: none: whole tables, after the measurement
SELECT (SELECT count(*) FROM delivery WHERE state = 'sent') AS sent,
       (SELECT count(*) FROM attempt) AS attempts,
       (SELECT count(*) FROM delivery AS d
         WHERE d.attempts <> 1 OR d.lease <> 1
            OR NOT EXISTS (SELECT FROM attempt AS a WHERE a.notice_id = d.notice_id AND a.channel = d.channel
                              AND a.lease = 1 AND a.outcome = 'accepted')) AS wrong
