-- name: claim_deliveries: lease up to :limit deliveries of one channel, the most urgent first, with all that is told.
-- guard: only pending rows whose time has come; the lease number grows, so an older claim can no longer write.
-- index: delivery_claim_idx (channel, urgency, next_attempt_at). A lapsed lease is simply due again: there is no rescuer.
WITH clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now
), picked AS MATERIALIZED (
    SELECT notice_id, channel FROM delivery
     WHERE channel = :channel AND state = 'pending' AND next_attempt_at <= (SELECT now FROM clock)
     ORDER BY urgency, next_attempt_at
     LIMIT :limit
       FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE delivery AS d
       SET lease = d.lease + 1, next_attempt_at = clock.now + :lease_for::interval
      FROM picked CROSS JOIN clock
     WHERE d.notice_id = picked.notice_id AND d.channel = picked.channel
    RETURNING d.notice_id, d.channel, d.lease, d.attempts, d.faults, d.urgency
)
SELECT l.notice_id, l.channel, l.lease, l.attempts, l.faults, n.kind, n.occasion, n.valid_until, n.booking_id,
       n.facts AS told,
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
       (SELECT t.channel FROM delivery AS t  -- for those that only join in when nothing arrived
         WHERE t.notice_id = l.notice_id AND t.state = 'delivered' AND l.channel IN ('whatsapp', 'voice') LIMIT 1
       ) AS arrived_by,
       (SELECT array_agg(q.subscription::text ORDER BY q.id DESC) FROM push_subscription AS q
         WHERE l.channel = 'push' AND q.driver_id = b.driver_id AND q.gone_at IS NULL
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
