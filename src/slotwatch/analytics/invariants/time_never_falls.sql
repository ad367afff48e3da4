-- name: time_never_falls: the moves of a booking are stamped in the order in which they were made
-- guard: read only
-- index: transition_pkey
SELECT booking_id, format('%s -> %s at %s, after a move at %s', from_state, to_state, at, before) AS fault
  FROM (SELECT booking_id, from_state, to_state, at, lag(at) OVER (PARTITION BY booking_id ORDER BY version) AS before
          FROM transition) AS move
 WHERE at < before
