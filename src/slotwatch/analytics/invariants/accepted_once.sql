-- name: accepted_once: no provider took one delivery more often than a worker died over it: twice at the most
-- guard: read only
-- index: attempt is read whole; a repeat carries the same idempotency key
SELECT (SELECT n.booking_id FROM notice AS n WHERE n.id = a.notice_id) AS booking_id,
       format('notice %s by %s was accepted %s times', a.notice_id, a.channel, count(*)) AS fault
  FROM attempt AS a
 WHERE a.outcome = 'accepted'
 GROUP BY a.notice_id, a.channel
HAVING count(*) > 2
