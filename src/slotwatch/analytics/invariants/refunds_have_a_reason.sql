-- name: refunds_have_a_reason: only cancelled, voided and reinstated bookings are paid back, a cancelled one by its terms
-- guard: read only
-- index: ledger_booking_id_entry_key
SELECT b.id AS booking_id, format('%s, and %s was refunded', b.state, g.amount) AS fault
  FROM ledger AS g
  JOIN booking AS b ON b.id = g.booking_id
 WHERE g.entry = 'refunded' AND b.state NOT IN ('cancelled', 'voided', 'reinstated')
 UNION ALL
SELECT b.id, format('cancelled %s before the start: %s of %s refunded, not %s', b.starts_at - b.ended_at,
                    coalesce(g.amount, 0), b.amount, due.amount)
  FROM booking AS b
  JOIN ledger AS c ON c.booking_id = b.id AND c.entry = 'captured'
  LEFT JOIN ledger AS g ON g.booking_id = b.id AND g.entry = 'refunded'
 CROSS JOIN LATERAL (
       SELECT b.amount * CASE b.end_reason WHEN 'cancelled_by_vendor' THEN 100 ELSE coalesce(max(
              (tier ->> 'percent')::int) FILTER (WHERE b.starts_at - b.ended_at
                                                 >= make_interval(mins => (tier ->> 'untilMinutesBefore')::int)), 0)
              END / 100 AS amount
         FROM jsonb_array_elements(b.terms -> 'cancelRefund') AS tier) AS due
 WHERE b.state = 'cancelled' AND coalesce(g.amount, 0) <> due.amount
 UNION ALL
SELECT booking_id, format('a dispute of %s, decided %s at %s', opened_at, decision, decided_at)
  FROM dispute
 WHERE (decision IS NULL) <> (decided_at IS NULL) OR decided_at < opened_at
