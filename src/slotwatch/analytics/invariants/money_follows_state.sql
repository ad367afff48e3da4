-- name: money_follows_state: the money of a booking is where its state and payment status say, all of it
-- guard: read only
-- index: ledger and booking are read whole
WITH side AS (
    SELECT booking_id, debit AS account, -amount AS change FROM ledger
     UNION ALL
    SELECT booking_id, credit, amount FROM ledger
), balance AS (
    SELECT booking_id, sum(change) FILTER (WHERE account = 'held') AS held,
           sum(change) FILTER (WHERE account = 'forfeit') AS forfeit,
           sum(change) FILTER (WHERE account = 'vendor') AS vendor
      FROM side
     GROUP BY booking_id
), stands AS (
    SELECT b.id, b.state, b.payment_status, b.amount, coalesce(m.held, 0) AS held, coalesce(m.forfeit, 0) AS forfeit,
           coalesce(m.vendor, 0) AS vendor, m.booking_id IS NOT NULL AS has_money
      FROM booking AS b
      LEFT JOIN balance AS m ON m.booking_id = b.id
)
SELECT id AS booking_id,
       format('%s and %s of %s: held %s, forfeit %s, vendor %s', state, payment_status, amount, held, forfeit, vendor)
           AS fault
  FROM stands
 WHERE (payment_status, state) NOT IN (
       ('not_required', state), ('awaited', 'pending'), ('not_paid', 'cancelled'),
       ('paid', 'confirmed'), ('paid', 'grace'), ('paid', 'active'), ('paid', 'completed'),
       ('forfeit_held', 'expired'), ('forfeited', 'expired'), ('refunded', 'cancelled'), ('refunded', 'voided'),
       ('refunded', 'reinstated'), ('partly_refunded', 'cancelled'), ('not_refunded', 'cancelled'))
    OR CASE payment_status
       WHEN 'paid' THEN (held, forfeit, vendor)
                        <> (CASE state WHEN 'completed' THEN 0 ELSE amount END, 0,
                            CASE state WHEN 'completed' THEN amount ELSE 0 END)
       WHEN 'forfeit_held' THEN (held, forfeit, vendor) <> (0, amount, 0)
       WHEN 'forfeited' THEN (held, forfeit, vendor) <> (0, 0, amount)
       WHEN 'not_refunded' THEN (held, forfeit, vendor) <> (0, 0, amount)
       WHEN 'refunded' THEN (held, forfeit, vendor) <> (0, 0, 0) OR has_money <> (amount > 0)
       WHEN 'partly_refunded' THEN (held, forfeit) <> (0, 0) OR vendor NOT BETWEEN 1 AND amount - 1
       ELSE has_money END
