-- name: vital_signs: how late the engine is and what waits to be sent, at a cost that does not grow with history.
-- guard: reads only; counts stop at :most.
-- index: booking_due_idx, booking_set_aside_idx, delivery_claim_idx, delivery_dead_idx
WITH clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now
), waiting AS (
    SELECT c.channel,
           (SELECT count(*) FROM (SELECT FROM delivery AS d
             WHERE d.state = 'pending' AND d.channel = c.channel LIMIT :most) AS capped) AS pending,
           (SELECT count(*) FROM (SELECT FROM delivery AS d
             WHERE d.state IN ('unknown', 'failed', 'set_aside') AND d.state = 'unknown' AND d.channel = c.channel
             LIMIT :most) AS capped) AS unknown,
           (SELECT count(*) FROM (SELECT FROM delivery AS d
             WHERE d.state IN ('unknown', 'failed', 'set_aside') AND d.state = 'failed' AND d.channel = c.channel
             LIMIT :most) AS capped) AS failed,
           (SELECT count(*) FROM (SELECT FROM delivery AS d
             WHERE d.state IN ('unknown', 'failed', 'set_aside') AND d.state = 'set_aside' AND d.channel = c.channel
             LIMIT :most) AS capped) AS set_aside,
           (SELECT min(first.next_attempt_at) FROM unnest(:urgencies::smallint[]) AS u(urgency)
             CROSS JOIN LATERAL (WITH RECURSIVE v AS (  -- from vendor to vendor, as a claim goes
                   (SELECT d.vendor_id, d.next_attempt_at FROM delivery AS d
                     WHERE d.state = 'pending' AND d.channel = c.channel AND d.urgency = u.urgency
                     ORDER BY d.vendor_id, d.next_attempt_at LIMIT 1)
                    UNION ALL
                   SELECT next.* FROM v CROSS JOIN LATERAL (
                          SELECT d.vendor_id, d.next_attempt_at FROM delivery AS d
                           WHERE d.state = 'pending' AND d.channel = c.channel AND d.urgency = u.urgency
                             AND d.vendor_id > v.vendor_id
                           ORDER BY d.vendor_id, d.next_attempt_at LIMIT 1) AS next)
                   SELECT next_attempt_at FROM v) AS first) AS oldest
      FROM unnest(:channels::text[]) AS c(channel)
)
SELECT clock.now, w.channel, w.pending, w.unknown, w.failed, w.set_aside,
       greatest(clock.now - w.oldest, interval '0') AS waits,
       (SELECT count(*) FROM (SELECT FROM booking AS b
         WHERE b.due_at <= clock.now AND NOT b.set_aside LIMIT :most) AS capped) AS due,
       (SELECT count(*) FROM (SELECT FROM booking AS b WHERE b.set_aside LIMIT :most) AS capped) AS bookings_set_aside,
       greatest(clock.now - (SELECT b.due_at FROM booking AS b
         WHERE b.due_at IS NOT NULL AND NOT b.set_aside ORDER BY b.due_at, b.id LIMIT 1), interval '0') AS lag,
       (SELECT count(*) FROM outage) AS outages
  FROM waiting AS w CROSS JOIN clock
 ORDER BY w.channel
