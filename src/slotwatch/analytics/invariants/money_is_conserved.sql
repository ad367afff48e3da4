-- name: money_is_conserved: no account of a booking is ever overdrawn, and no more is captured than the booking costs
-- guard: read only
-- index: ledger is read whole
WITH side AS (
    SELECT id, booking_id, debit AS account, -amount AS change FROM ledger
     UNION ALL
    SELECT id, booking_id, credit, amount FROM ledger
), balance AS (
    SELECT booking_id, account, sum(change) OVER (PARTITION BY booking_id, account ORDER BY id) AS amount FROM side
)
SELECT booking_id, format('%s stands at %s', account, amount) AS fault
  FROM balance
 WHERE CASE account WHEN 'driver' THEN amount > 0 ELSE amount < 0 END
 UNION ALL
SELECT g.booking_id, format('%s %s %s of a booking for %s %s', g.entry, g.amount, g.currency, b.amount, b.currency)
  FROM ledger AS g
  JOIN booking AS b ON b.id = g.booking_id
 WHERE g.currency <> b.currency OR g.amount > b.amount OR (g.entry = 'captured' AND g.amount <> b.amount)
