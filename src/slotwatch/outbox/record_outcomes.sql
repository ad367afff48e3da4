-- name: record_outcomes: write what became of leased deliveries, each try as an attempt; open fallback deliveries and
-- note addresses that must not be used again.
-- guard: the lease is still ours; a late writer changes nothing, but its try stays on record.
-- index: delivery_pkey, notice_pkey, booking_pkey
WITH outcome AS (
    SELECT * FROM unnest(
        :notice_ids::bigint[], :leases::int[], :states::text[], :next_attempts::timestamptz[], :tries::text[],
        :message_ids::text[], :errors::text[], :faults::smallint[], :fallbacks::text[], :fallback_urgencies::smallint[],
        :providers::text[], :suppressions::text[]
    ) AS o(notice_id, lease, state, next_attempt_at, try, message_id, error, fault, fallback, urgency, provider, suppress)
), written AS (
    UPDATE delivery AS d
       SET state = o.state,
           next_attempt_at = coalesce(o.next_attempt_at, d.next_attempt_at),
           attempts = d.attempts + (o.try IS NOT NULL)::int,
           faults = d.faults + o.fault,
           provider = coalesce(CASE WHEN o.try IS NOT NULL THEN o.provider END, d.provider),
           provider_message_id = coalesce(o.message_id, d.provider_message_id),
           error = o.error,
           sent_at = CASE WHEN o.state = 'sent' THEN :at::timestamptz END,
           vendor_id = b.vendor_id,  -- the slot that it was about: else a trigger would look it up, row by row
           station_id = b.station_id,
           slot_starts_at = b.starts_at
      FROM outcome AS o
      JOIN notice AS n ON n.id = o.notice_id
      LEFT JOIN booking AS b ON b.id = n.booking_id
     WHERE d.notice_id = o.notice_id AND d.channel = :channel AND d.lease = o.lease AND d.state = 'pending'
    RETURNING d.notice_id, o.fallback, o.urgency
), tried AS (
    INSERT INTO attempt (notice_id, channel, lease, outcome, provider, provider_message_id, error, at)
    SELECT notice_id, :channel, lease, try, provider, message_id, error, :at FROM outcome WHERE try IS NOT NULL
        ON CONFLICT DO NOTHING
), fallen_back AS (
    INSERT INTO delivery (notice_id, channel, state, urgency, next_attempt_at)
    SELECT notice_id, fallback, 'pending', urgency, :at FROM written WHERE fallback IS NOT NULL
        ON CONFLICT DO NOTHING
), suppressed AS (  -- the provider says that this address must not be used again
    INSERT INTO suppression (channel, address, reason, at)
    SELECT :channel, suppress, coalesce(error, 'refused'), :at FROM outcome
     WHERE suppress IS NOT NULL AND :channel <> 'push'
        ON CONFLICT DO NOTHING
), gone AS (  -- a browser that is no longer subscribed
    UPDATE push_subscription AS p SET gone_at = :at
      FROM outcome
     WHERE :channel = 'push' AND p.endpoint = outcome.suppress AND p.gone_at IS NULL
)
SELECT notice_id FROM written
