-- name: record_outcomes: write what became of leased deliveries, each try as an attempt and what is never tried as
-- unsent; open fallback deliveries, note addresses that must not be used again, and count what was paid for.
-- guard: the lease is still ours; a late writer changes nothing, but its try stays on record; what a receipt said
-- meanwhile stands. Rows are written in the order of their notices, as everywhere, and no insert waits for a row that is
-- there: two senders cannot lock each other up.
-- index: delivery_pkey, spend_pkey, recipient_day_pkey
WITH clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS at
), outcome AS (
    SELECT * FROM unnest(
        :notice_ids::bigint[], :leases::int[], :states::text[], :next_attempts::timestamptz[], :tries::text[],
        :message_ids::text[], :errors::text[], :faults::smallint[], :fallbacks::text[], :providers::text[],
        :suppressions::text[], :paid_to::text[], :kept_back::text[],
        :mailed_to::text[]
    ) AS o(notice_id, lease, state, next_attempt_at, try, message_id, error, fault, fallback, provider, suppress, paid_to,
           kept_back, mailed_to)
), written AS (
    UPDATE delivery AS d
       SET state = CASE WHEN d.state IN ('pending', 'unknown') THEN o.state ELSE d.state END,  -- a receipt was faster
           next_attempt_at = coalesce(o.next_attempt_at, d.next_attempt_at),
           attempts = d.attempts + (o.try IS NOT NULL)::int,
           faults = d.faults + o.fault,
           handed_over = NULL,
           kept_back = o.kept_back,
           provider = coalesce(CASE WHEN o.try IS NOT NULL THEN o.provider END, d.provider),
           provider_message_id = coalesce(o.message_id, d.provider_message_id),
           error = CASE WHEN d.state IN ('pending', 'unknown') THEN o.error ELSE d.error END,
           sent_at = CASE WHEN d.state NOT IN ('pending', 'unknown') THEN d.sent_at
                          WHEN o.state = 'sent' THEN (SELECT at FROM clock) END
      FROM outcome AS o
     WHERE d.notice_id = o.notice_id AND d.channel = :channel AND d.lease = o.lease
       AND (d.state = 'pending' OR d.handed_over = o.lease)
    RETURNING d.notice_id, d.urgency, d.vendor_id, d.station_id, d.slot_starts_at, o.paid_to, d.state,
              coalesce(o.paid_to, o.mailed_to) AS told_to,
              CASE WHEN d.state = o.state THEN o.fallback END AS fallback
), tried AS (
    INSERT INTO attempt (notice_id, channel, lease, outcome, provider, provider_message_id, error, at)
    SELECT notice_id, :channel, lease, try, provider, message_id, error, clock.at
      FROM outcome CROSS JOIN clock WHERE try IS NOT NULL
        ON CONFLICT DO NOTHING
), dropped AS (
    INSERT INTO unsent (notice_id, channel, state, at)
    SELECT notice_id, :channel, state, clock.at FROM written CROSS JOIN clock WHERE state IN ('missed', 'suppressed')
), fallen_back AS (  -- NOT EXISTS: a conflicting insert would wait for whoever writes that row, who may wait for us
    INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, station_id, slot_starts_at, next_attempt_at)
    SELECT w.notice_id, w.fallback, 'pending', w.urgency, w.vendor_id, w.station_id, w.slot_starts_at, clock.at
      FROM written AS w CROSS JOIN clock
     WHERE w.fallback IS NOT NULL
       AND NOT EXISTS (SELECT FROM delivery AS d WHERE d.notice_id = w.notice_id AND d.channel = w.fallback)
     ORDER BY w.notice_id
        ON CONFLICT DO NOTHING
), hurried AS (  -- a channel that is planned for later comes now, where no other one is on its way or there
    UPDATE delivery AS d SET next_attempt_at = (SELECT at FROM clock)
      FROM written AS w
     WHERE d.notice_id = w.notice_id AND d.channel = w.fallback
       AND d.state || '' = 'pending' AND d.lease = 0 AND d.next_attempt_at > (SELECT at FROM clock)
       AND NOT EXISTS (SELECT FROM delivery AS o
                        WHERE o.notice_id = w.notice_id AND o.channel NOT IN (:channel, w.fallback, 'webhook')
                          AND (o.state || '' IN ('sent', 'delivered')
                               OR o.state || '' = 'pending' AND (o.lease > 0 OR o.next_attempt_at <= (SELECT at FROM clock))))
), suppressed AS (  -- the provider says that this address must not be used again
    INSERT INTO suppression (channel, address, reason, at)
    SELECT DISTINCT ON (suppress) :channel, suppress, coalesce(error, 'refused'), clock.at
      FROM outcome CROSS JOIN clock WHERE suppress IS NOT NULL AND :channel <> 'push' ORDER BY suppress
        ON CONFLICT DO NOTHING
), gone AS (  -- a browser that is no longer subscribed
    UPDATE push_subscription AS p SET gone_at = (SELECT at FROM clock)
      FROM outcome
     WHERE :channel = 'push' AND p.endpoint = outcome.suppress AND p.gone_at IS NULL
), spent AS (
    INSERT INTO spend AS s (vendor_id, day, channel, messages, amount)
    SELECT vendor_id, ((SELECT at FROM clock) AT TIME ZONE 'UTC')::date, :channel, count(*), count(*) * :cost::bigint
      FROM written WHERE paid_to IS NOT NULL GROUP BY vendor_id ORDER BY vendor_id
        ON CONFLICT (vendor_id, day, channel)
        DO UPDATE SET messages = s.messages + excluded.messages, amount = s.amount + excluded.amount
), counted AS (
    INSERT INTO recipient_day AS r (address, day, messages)
    SELECT told_to, ((SELECT at FROM clock) AT TIME ZONE 'UTC')::date, count(*)
      FROM written WHERE told_to IS NOT NULL GROUP BY told_to ORDER BY told_to
        ON CONFLICT (address, day) DO UPDATE SET messages = r.messages + excluded.messages
)
SELECT notice_id FROM written
