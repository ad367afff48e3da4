-- name: no_state_twice: no booking enters a state twice; only an extended grace begins anew
-- guard: read only
-- index: transition_pkey
WITH move AS (
    SELECT booking_id, to_state,
           count(*) FILTER (WHERE cause = 'extended') OVER (PARTITION BY booking_id ORDER BY version) AS epoch
      FROM transition
)
SELECT booking_id, format('entered %s %s times', to_state, count(*)) AS fault
  FROM move
 GROUP BY booking_id, epoch, to_state
HAVING count(*) > 1
