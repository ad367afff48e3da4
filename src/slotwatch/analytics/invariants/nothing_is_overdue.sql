-- name: nothing_is_overdue: while the engine is up, no step has been due for more than a minute
-- guard: read only
-- index: booking_due_idx
SELECT b.id AS booking_id, format('%s was due at %s', b.step, b.due_at) AS fault
  FROM booking AS b
 WHERE b.due_at < :now::timestamptz - interval '60 seconds' AND NOT b.set_aside
   AND EXISTS (SELECT FROM pulse WHERE component = 'engine' AND beat_at >= :now - interval '15 seconds')
   AND NOT EXISTS (SELECT FROM outage WHERE ended_at > :now - interval '60 seconds')
