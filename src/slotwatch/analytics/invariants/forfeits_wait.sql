-- name: forfeits_wait: no-show money becomes final 24 h after the no-show at the earliest, and not while it is disputed
-- guard: read only
-- index: ledger_booking_id_entry_key
SELECT b.id AS booking_id, format('expired at %s, forfeited at %s', b.expired_at, g.at) AS fault
  FROM ledger AS g
  JOIN booking AS b ON b.id = g.booking_id
  LEFT JOIN dispute AS d ON d.booking_id = b.id
 WHERE g.entry = 'forfeited'
   AND (b.expired_at IS NULL OR g.at < b.expired_at + interval '24 hours'
        OR (d.opened_at < g.at AND coalesce(d.decided_at, g.at) >= g.at))
