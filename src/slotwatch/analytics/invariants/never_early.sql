-- name: never_early: nothing that the clock does is done before its time
-- guard: read only
-- index: transition and notice are read whole
SELECT t.booking_id, format('%s -> %s was due at %s and done at %s', t.from_state, t.to_state, t.due_at, t.at) AS fault
  FROM transition AS t
 WHERE (t.at < t.due_at) OR (t.cause IN ('time', 'extended', 'no_fault') AND t.due_at IS NULL)
 UNION ALL
SELECT n.booking_id, format('%s %s was written at %s', n.kind, n.occasion, n.created_at)
  FROM notice AS n
  JOIN booking AS b ON b.id = n.booking_id
 WHERE n.created_at < CASE n.kind WHEN 'reminder' THEN b.remind_at
                                  WHEN 'slot_started' THEN b.starts_at
                                  WHEN 'slot_expired' THEN b.grace_ends_at
                                  WHEN 'grace_alert' THEN CASE n.occasion WHEN 'half' THEN b.grace_half_at
                                                                          WHEN 'last' THEN b.grace_last_at END END
