-- name: moves_are_told: each move that promises a notice has exactly one, and no notice is without its move
-- guard: read only
-- index: transition and notice are read whole
WITH promise (to_state, cause, kind) AS (
    VALUES ('confirmed', 'booked', 'booking_confirmed'), ('confirmed', 'paid', 'booking_confirmed'),
           ('grace', 'time', 'slot_started'), ('grace', 'extended', 'grace_extended'),
           ('active', 'checked_in', 'checked_in'), ('expired', 'time', 'slot_expired'),
           ('voided', 'no_fault', 'slot_voided'), ('voided', 'dispute_won', 'slot_voided'),
           ('cancelled', 'time', 'booking_cancelled'),
           ('cancelled', 'cancelled', 'booking_cancelled'), ('completed', 'time', 'booking_completed'),
           ('completed', 'left', 'booking_completed'), ('reinstated', 'proven', 'booking_reinstated')
), promised AS (
    SELECT t.booking_id, p.kind, count(*) AS moves
      FROM transition AS t
      JOIN promise AS p USING (to_state, cause)
     GROUP BY t.booking_id, p.kind
), written AS (
    SELECT booking_id, kind, count(*) AS notices
      FROM notice
     WHERE booking_id IS NOT NULL AND kind NOT IN ('reminder', 'grace_alert', 'dispute_upheld')
     GROUP BY booking_id, kind
)
SELECT booking_id, format('%s: %s moves, %s notices', kind, coalesce(moves, 0), coalesce(notices, 0)) AS fault
  FROM promised
  FULL JOIN written USING (booking_id, kind)
 WHERE moves IS DISTINCT FROM notices
 UNION ALL
SELECT n.booking_id, format('%s without the state that it is about', n.kind)
  FROM notice AS n
 WHERE n.kind IN ('reminder', 'grace_alert')
   AND NOT EXISTS (SELECT FROM transition AS t WHERE t.booking_id = n.booking_id
                      AND t.to_state = CASE n.kind WHEN 'reminder' THEN 'confirmed' ELSE 'grace' END)
