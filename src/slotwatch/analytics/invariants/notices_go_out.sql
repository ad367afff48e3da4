-- name: notices_go_out: every notice has at least one delivery
-- guard: read only
-- index: delivery_pkey
SELECT n.booking_id, format('nobody gets the %s of %s', n.kind, n.created_at) AS fault
  FROM notice AS n
 WHERE NOT EXISTS (SELECT FROM delivery AS d WHERE d.notice_id = n.id)
