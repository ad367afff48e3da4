-- name: idempotency_keys_are_single: one stored answer for each caller and key, whole or not there yet
-- guard: read only
-- index: idempotency_pkey
SELECT NULL::bigint AS booking_id, format('%s rows for one key of %s', count(*), caller) AS fault
  FROM idempotency
 GROUP BY caller, key
HAVING count(*) > 1 OR bool_or((status IS NULL) <> (body IS NULL))
