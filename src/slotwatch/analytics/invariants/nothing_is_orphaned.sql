-- name: nothing_is_orphaned: every move, notice, delivery, attempt, proof and ledger row belongs to a booking
-- guard: read only
-- index: booking_pkey, notice_pkey, delivery_pkey
SELECT t.booking_id, 'a move without its booking' AS fault
  FROM transition AS t WHERE NOT EXISTS (SELECT FROM booking AS b WHERE b.id = t.booking_id)
 UNION ALL
SELECT n.booking_id, format('notice %s without its booking', n.id)
  FROM notice AS n WHERE n.booking_id IS NOT NULL AND NOT EXISTS (SELECT FROM booking AS b WHERE b.id = n.booking_id)
 UNION ALL
SELECT e.booking_id, 'a proof without its booking'
  FROM evidence AS e WHERE NOT EXISTS (SELECT FROM booking AS b WHERE b.id = e.booking_id)
 UNION ALL
SELECT g.booking_id, 'a ledger row without its booking'
  FROM ledger AS g WHERE NOT EXISTS (SELECT FROM booking AS b WHERE b.id = g.booking_id)
 UNION ALL
SELECT NULL, format('a delivery by %s without its notice %s', d.channel, d.notice_id)
  FROM delivery AS d WHERE NOT EXISTS (SELECT FROM notice AS n WHERE n.id = d.notice_id)
 UNION ALL
SELECT NULL, format('an attempt by %s without its delivery of notice %s', a.channel, a.notice_id)
  FROM attempt AS a
 WHERE NOT EXISTS (SELECT FROM delivery AS d WHERE d.notice_id = a.notice_id AND d.channel = a.channel)
