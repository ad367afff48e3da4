-- name: checked_in_means_proof: who is checked in has stored proof from within the window, and who has it is checked in
-- guard: read only
-- index: evidence_booking_id_idx
SELECT b.id AS booking_id, format('%s, checked in at %s: %s proofs', b.state, b.checked_in_at, proof.count) AS fault
  FROM booking AS b
 CROSS JOIN LATERAL (
       SELECT count(*) FROM evidence AS e
        WHERE e.booking_id = b.id AND e.kind = 'check_in' AND e.valid AND e.received_at = b.checked_in_at) AS proof
 WHERE CASE WHEN b.state IN ('active', 'completed', 'reinstated')
            THEN proof.count = 0 OR b.checked_in_at NOT BETWEEN b.check_in_opens_at AND b.grace_ends_at
            ELSE b.checked_in_at IS NOT NULL END
 UNION ALL
SELECT b.id, format('voided, with a check-in received at %s', e.received_at)
  FROM booking AS b
  JOIN evidence AS e ON e.booking_id = b.id AND e.kind = 'check_in' AND e.valid
 WHERE b.state = 'voided' AND e.received_at BETWEEN b.check_in_opens_at AND b.grace_ends_at
   AND NOT EXISTS (SELECT FROM evidence AS r WHERE r.booking_id = b.id AND r.kind = 'check_in_refused'
                      AND r.received_at = e.received_at)
