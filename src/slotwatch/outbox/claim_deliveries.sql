-- name: claim_deliveries: lease up to :limit deliveries of one channel, the most urgent first, with all that is told.
-- Within one urgency vendors take turns, from the one after :last on: a vendor with 100,000 waiting delays nobody.
-- guard: only pending rows whose time has come; the lease number grows, so an older claim can no longer write.
-- index: delivery_claim_idx (channel, urgency, vendor_id, next_attempt_at): the walk looks twice for each vendor that has
-- something pending, not for each delivery. A lapsed lease is simply due again: there is no rescuer.
WITH RECURSIVE clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now
), walk AS (  -- from vendor to vendor, after :last first (lap 0), then from the lowest on (lap 1); then less urgent ones
    SELECT 0 AS urgency, 0 AS lap, :last::bigint AS vendor_id, false AS due, 0 AS found
     UNION ALL
    SELECT CASE WHEN next.vendor_id IS NULL THEN w.urgency + w.lap ELSE w.urgency END,
           CASE WHEN next.vendor_id IS NULL THEN 1 - w.lap ELSE w.lap END,
           CASE WHEN next.vendor_id IS NOT NULL THEN next.vendor_id WHEN w.lap = 0 THEN -1 ELSE :last END,
           next.due IS NOT NULL, w.found + (next.due IS NOT NULL)::int
      FROM walk AS w
      LEFT JOIN LATERAL (
           SELECT v.vendor_id,
                  (SELECT true FROM delivery AS d
                    WHERE d.channel = :channel AND d.state = 'pending' AND d.urgency = w.urgency
                      AND d.vendor_id = v.vendor_id AND d.next_attempt_at <= (SELECT now FROM clock)
                    ORDER BY d.next_attempt_at LIMIT 1) AS due
             FROM (SELECT d.vendor_id FROM delivery AS d
                    WHERE d.channel = :channel AND d.state = 'pending' AND d.urgency = w.urgency
                      AND d.vendor_id > w.vendor_id
                    ORDER BY d.vendor_id LIMIT 1) AS v
            WHERE w.lap = 0 OR v.vendor_id <= :last) AS next ON true
     WHERE w.urgency <= :least_urgent AND w.found < :limit
       AND NOT (w.found > 0 AND w.lap = 0 AND w.vendor_id = :last)  -- a claim is of one urgency
), turn AS MATERIALIZED (
    SELECT urgency, vendor_id FROM walk WHERE due
), picked AS MATERIALIZED (
    SELECT mine.notice_id, mine.channel
      FROM turn
     CROSS JOIN LATERAL (
           SELECT d.notice_id, d.channel FROM delivery AS d
            WHERE d.channel = :channel AND d.state = 'pending' AND d.urgency = turn.urgency
              AND d.vendor_id = turn.vendor_id AND d.next_attempt_at <= (SELECT now FROM clock)
            ORDER BY d.next_attempt_at
            LIMIT (SELECT greatest(:limit / count(*), 1) FROM turn)
              FOR UPDATE SKIP LOCKED) AS mine
     LIMIT :limit  -- never reached before, but the planner knows it
), leased AS (
    UPDATE delivery AS d
       SET lease = d.lease + 1, next_attempt_at = clock.now + :lease_for::interval
      FROM picked CROSS JOIN clock
     WHERE d.notice_id = picked.notice_id AND d.channel = picked.channel
    RETURNING d.notice_id, d.channel, d.lease, d.attempts, d.faults, d.urgency, d.handed_over, d.vendor_id AS turn
)
SELECT l.notice_id, l.channel, l.lease, l.attempts, l.faults, l.handed_over, l.turn, n.kind, n.occasion, n.created_at AS written_at,
       n.valid_until, n.booking_id, n.facts AS told,
       b.state, b.starts_at, b.ends_at, b.grace_ends_at, b.check_in_opens_at, b.checked_in_at, b.expired_at, b.ended_at,
       b.end_reason, b.version, b.amount, b.currency, b.payment_status, b.terms,
       coalesce((SELECT g.amount FROM ledger AS g WHERE g.booking_id = b.id AND g.entry = 'refunded'), 0) AS refunded,
       b.station_id, s.name AS station_name, s.address, coalesce(s.zone, r.zone) AS zone, s.latitude, s.longitude, c.label,
       v.id AS vendor_id, v.name AS vendor_name, v.language AS vendor_language, coalesce(p.name, r.name) AS driver_name,
       coalesce(p.email, r.email) AS email, coalesce(p.phone, r.phone) AS phone,
       coalesce(p.preferences, jsonb_build_object('language', r.language)) AS preferences,
       (SELECT x.reason FROM suppression AS x
         WHERE x.channel = l.channel
           AND x.address = CASE l.channel WHEN 'email' THEN lower(coalesce(p.email, r.email))
                                          WHEN 'push' THEN NULL WHEN 'webhook' THEN NULL
                                          ELSE coalesce(p.phone, r.phone) END
       ) AS suppressed_for,
       CASE WHEN l.handed_over IS NOT NULL THEN (
           SELECT jsonb_object_agg(o.channel, CASE WHEN o.state = 'pending' AND o.handed_over IS NOT NULL THEN 'handed_over'
                                                   ELSE o.state END)
             FROM delivery AS o WHERE o.notice_id = l.notice_id AND o.channel <> l.channel) END AS beside,
       (SELECT t.channel FROM delivery AS t  -- for those that only join in when nothing arrived
         WHERE t.notice_id = l.notice_id AND t.state = 'delivered' AND l.channel IN ('whatsapp', 'voice') LIMIT 1
       ) AS arrived_by,
       CASE WHEN l.handed_over IS NOT NULL THEN ARRAY(
           SELECT x.channel FROM suppression AS x
            WHERE (x.channel = 'email' AND x.address = lower(coalesce(p.email, r.email)))
               OR (x.channel IN ('sms', 'whatsapp', 'voice') AND x.address = coalesce(p.phone, r.phone))) END AS suppressed_on,
       CASE WHEN l.channel = ANY (:paid_channels::text[]) THEN
           (SELECT t.messages FROM recipient_day AS t
             WHERE t.address = coalesce(p.phone, r.phone) AND t.day = (clock.now AT TIME ZONE 'UTC')::date)
            WHEN l.channel = 'email' AND l.urgency > 0 AND n.booking_id IS NOT NULL THEN
           (SELECT t.messages FROM recipient_day AS t
             WHERE t.address = lower(p.email) AND t.day = (clock.now AT TIME ZONE 'UTC')::date)
       END AS told_today,
       CASE WHEN l.channel = ANY (:paid_channels::text[]) THEN
           (SELECT sum(t.amount)::bigint FROM spend AS t
             WHERE t.vendor_id = l.turn AND t.day = (clock.now AT TIME ZONE 'UTC')::date)
       END AS spent_today,
       v.spend_cap, p.email_verified_at, p.phone_verified_at,
       (SELECT array_agg(q.subscription::text ORDER BY q.id DESC) FROM push_subscription AS q
         WHERE (l.channel = 'push' OR l.handed_over IS NOT NULL) AND q.driver_id = b.driver_id AND q.gone_at IS NULL
       ) AS browsers,
       p.subject, clock.now
  FROM leased AS l
 CROSS JOIN clock
  JOIN notice AS n ON n.id = l.notice_id
 CROSS JOIN LATERAL jsonb_to_record(coalesce(n.recipient, '{}'))  -- of a notice about no booking
         AS r(name text, email text, phone text, language text, zone text, vendor_id bigint)
  LEFT JOIN booking AS b ON b.id = n.booking_id
  LEFT JOIN station AS s ON s.id = b.station_id
  LEFT JOIN vendor AS v ON v.id = coalesce(b.vendor_id, r.vendor_id)
  LEFT JOIN connector AS c ON c.id = b.connector_id
  LEFT JOIN driver AS p ON p.id = b.driver_id
 ORDER BY l.urgency, n.valid_until
