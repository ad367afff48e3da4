-- name: moves_are_allowed: every move is an edge of the graph, and nothing leaves a final state but an undone no-show
-- guard: read only
-- index: transition is read whole
SELECT t.booking_id, format('version %s: %s -> %s', t.version, coalesce(t.from_state, 'nothing'), t.to_state) AS fault
  FROM transition AS t
  LEFT JOIN allowed_transition AS a ON a.from_state = t.from_state AND a.to_state = t.to_state
 WHERE (t.from_state IS NULL AND (t.version <> 1 OR t.to_state NOT IN ('pending', 'confirmed')))
    OR (t.from_state IS NOT NULL AND a.to_state IS NULL)
    OR t.from_state IN ('completed', 'cancelled', 'voided', 'reinstated')
    OR (t.from_state = 'expired' AND t.to_state NOT IN ('reinstated', 'voided'))
