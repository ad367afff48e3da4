-- name: state_follows_history: state, version and epoch of a booking follow from its history, which has no gap
-- guard: read only
-- index: transition_pkey
WITH move AS (
    SELECT booking_id, version, from_state, to_state, cause, lag(to_state) OVER w AS was, row_number() OVER w AS place
      FROM transition
    WINDOW w AS (PARTITION BY booking_id ORDER BY version)
), history AS (
    SELECT booking_id, count(*) AS moves, (array_agg(to_state ORDER BY version DESC))[1] AS state,
           count(*) FILTER (WHERE cause = 'extended') AS epoch,
           bool_and(version = place AND from_state IS NOT DISTINCT FROM was) AS is_whole
      FROM move
     GROUP BY booking_id
)
SELECT b.id AS booking_id,
       format('it is %s, version %s, epoch %s; its history says %s, %s moves, epoch %s, %s', b.state, b.version, b.epoch,
              h.state, h.moves, h.epoch, CASE WHEN h.is_whole THEN 'whole' ELSE 'with a gap' END) AS fault
  FROM booking AS b
  LEFT JOIN history AS h ON h.booking_id = b.id
 WHERE (b.state, b.version::bigint, b.epoch::bigint, true) IS DISTINCT FROM (h.state, h.moves, h.epoch, h.is_whole)
