-- name: no_no_show_with_proof: no driver who checked in within the window is a no-show
-- guard: read only
-- index: evidence_booking_id_idx
SELECT b.id AS booking_id, format('expired, with a check-in received at %s', e.received_at) AS fault
  FROM booking AS b
  JOIN evidence AS e ON e.booking_id = b.id AND e.kind = 'check_in' AND e.valid
 WHERE b.state = 'expired' AND e.received_at BETWEEN b.check_in_opens_at AND b.grace_ends_at
   AND NOT EXISTS (SELECT FROM evidence AS r WHERE r.booking_id = b.id AND r.kind = 'check_in_refused'
                      AND r.received_at = e.received_at)
