-- name: never_late: outside outages, nothing that the clock does is done later than asked
-- guard: read only
-- index: transition is read whole; without :latest nothing is asked
SELECT t.booking_id, format('%s -> %s was due at %s and done at %s', t.from_state, t.to_state, t.due_at, t.at) AS fault
  FROM transition AS t
 WHERE t.at > t.due_at + :latest::interval
   AND NOT EXISTS (SELECT FROM outage AS o WHERE o.began_at <= t.at AND o.ended_at >= t.due_at)
   AND NOT EXISTS (SELECT FROM transition AS p  -- paid or moved by a person when it was due already
                    WHERE p.booking_id = t.booking_id AND p.version = t.version - 1 AND p.at > t.due_at
                      AND t.at <= p.at + :latest::interval)
