-- name: deliveries_end: while the engine is up, no delivery waits on when its time has passed
-- guard: read only
-- index: delivery_claim_idx; a minute of mercy, and the five minutes until the next cleaning
SELECT n.booking_id, format('%s by %s still waits, valid until %s', n.kind, d.channel, n.valid_until) AS fault
  FROM delivery AS d
  JOIN notice AS n ON n.id = d.notice_id
 WHERE d.state = 'pending' AND n.valid_until < :now::timestamptz - interval '6 minutes'
   AND EXISTS (SELECT FROM pulse WHERE component = 'engine' AND beat_at >= :now - interval '15 seconds')
   AND NOT EXISTS (SELECT FROM outage WHERE ended_at > :now - interval '6 minutes')
