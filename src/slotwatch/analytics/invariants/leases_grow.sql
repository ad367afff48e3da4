-- name: leases_grow: a sent delivery was recorded under the lease that it has, and no try is from a lease never given
-- guard: read only
-- index: attempt_pkey
SELECT (SELECT n.booking_id FROM notice AS n WHERE n.id = d.notice_id) AS booking_id,
       format('notice %s by %s is %s under lease %s', d.notice_id, d.channel, d.state, d.lease) AS fault
  FROM delivery AS d
 WHERE d.state IN ('sent', 'delivered')
   AND NOT EXISTS (SELECT FROM attempt AS a WHERE a.notice_id = d.notice_id AND a.channel = d.channel
                      AND a.lease = d.lease AND a.outcome = 'accepted')
 UNION ALL
SELECT (SELECT n.booking_id FROM notice AS n WHERE n.id = a.notice_id),
       format('notice %s by %s was tried under lease %s of %s', a.notice_id, a.channel, a.lease, d.lease)
  FROM attempt AS a
  JOIN delivery AS d ON d.notice_id = a.notice_id AND d.channel = a.channel
 WHERE a.lease > d.lease
