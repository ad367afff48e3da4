-- name: check_check_in: count what a check-in must have left behind; all counts are the same.
-- guard: reads only
-- index: none: whole tables, after the measurement
SELECT (SELECT count(*) FROM booking WHERE state = 'active' AND step = 'complete' AND due_at = ends_at) AS active,
       (SELECT count(DISTINCT booking_id) FROM evidence WHERE kind = 'check_in' AND valid) AS evidence,
       (SELECT count(DISTINCT booking_id) FROM transition WHERE cause = 'checked_in') AS transitions,
       (SELECT count(DISTINCT booking_id) FROM notice WHERE kind = 'checked_in') AS notices,
       (SELECT count(DISTINCT notice_id) FROM delivery WHERE channel = 'email') AS deliveries
