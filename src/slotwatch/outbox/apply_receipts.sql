-- name: apply_receipts: note what providers report of deliveries, in any order and however often; :waiting of those that
-- came before their delivery was on record are looked at again.
-- guard: an event counts once (receipt_pkey); a delivery's rank only rises, judged on the row as it is when it is
-- written: pending, unknown < sent < failed, missed and the like < delivered.
-- index: receipt_waiting_idx, delivery_message_idx, delivery_pkey, notice_pkey, receipt_wish_idx. A key finds a delivery whose
-- answer was lost; one of another house, or of before a backup was put back, names another instant and finds none. Where
-- that delivery has another message by now, a failure of the lost one does not count; e-mail has one id for us and
-- another for reports. A mail provider is not told apart by which of the two servers it is: smtp or smtp2.
WITH reported AS MATERIALIZED (
    SELECT DISTINCT ON (provider, event_id) provider, event_id, channel, message_id,
           (SELECT n.id FROM notice AS n WHERE n.id = r.notice_id AND n.created_at = r.written_at) AS notice_id,
           status, error, suppress, address, happened_at, heard, false AS waited
      FROM unnest(:providers::text[], :event_ids::text[], :channels::text[], :message_ids::text[], :notice_ids::bigint[],
                  :written_ats::timestamptz[], :statuses::text[], :errors::text[], :suppressions::boolean[], :addresses::text[],
                  :happened_ats::timestamptz[], :heards::boolean[])
           AS r(provider, event_id, channel, message_id, notice_id, written_at, status, error, suppress, address, happened_at,
                heard)
     ORDER BY provider, event_id
), again AS MATERIALIZED (
    SELECT provider, event_id, channel, message_id, notice_id, status, error, suppress, address, happened_at, heard,
           true AS waited
      FROM receipt
     WHERE NOT matched AND at > :now::timestamptz - interval '24 hours'
     ORDER BY at DESC LIMIT :waiting
       FOR UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    SELECT w.*, d.notice_id AS of_notice, d.channel AS of_channel,
           array_position(ARRAY['sent', 'failed', 'delivered'], w.status) AS rank
      FROM (SELECT * FROM reported UNION ALL SELECT * FROM again) AS w
      LEFT JOIN LATERAL (
           SELECT m.notice_id, m.channel FROM delivery AS m
            WHERE m.provider IN (w.provider, w.provider || '2') AND m.provider_message_id = w.message_id AND m.provider <> 'inbox'
            UNION ALL
           SELECT k.notice_id, k.channel FROM delivery AS k
            WHERE k.notice_id = w.notice_id AND k.channel = w.channel
              AND (w.channel = 'email' OR w.status <> 'failed' OR k.provider_message_id IS NULL)
            LIMIT 1) AS d ON true
), arrived AS (
    INSERT INTO receipt (provider, event_id, channel, message_id, notice_id, status, error, suppress, address, matched, at,
                         happened_at, heard)
    SELECT provider, event_id, channel, message_id, coalesce(of_notice, notice_id), status, error, suppress, address,
           of_notice IS NOT NULL, :now, happened_at, heard
      FROM found WHERE NOT waited
        ON CONFLICT DO NOTHING
    RETURNING provider, event_id
), settled AS (
    UPDATE receipt AS r SET matched = true, notice_id = found.of_notice
      FROM found
     WHERE found.waited AND found.of_notice IS NOT NULL AND r.provider = found.provider AND r.event_id = found.event_id
    RETURNING r.provider, r.event_id
), known AS MATERIALIZED (
    SELECT found.* FROM found
      JOIN (SELECT * FROM arrived UNION ALL SELECT * FROM settled) AS new USING (provider, event_id)
     WHERE found.of_notice IS NOT NULL
), best AS (
    SELECT DISTINCT ON (of_notice, of_channel) * FROM known ORDER BY of_notice, of_channel, rank DESC, event_id
), risen AS (
    UPDATE delivery AS d
       SET state = best.status,
           error = CASE best.status WHEN 'failed' THEN best.error END,
           provider = coalesce(d.provider, best.provider),
           provider_message_id = coalesce(d.provider_message_id, best.message_id),
           sent_at = coalesce(d.sent_at, :now)
      FROM best
     WHERE d.notice_id = best.of_notice AND d.channel = best.of_channel
       AND CASE d.state WHEN 'pending' THEN 0 WHEN 'unknown' THEN 0 WHEN 'sent' THEN 1 WHEN 'delivered' THEN 3 ELSE 2 END
           < best.rank
    RETURNING d.notice_id, d.channel, d.state, d.urgency, d.vendor_id, d.station_id, d.slot_starts_at
), next AS (  -- delivery, not only sending, failed: the next channel of the kind's plan
    SELECT risen.*, plan.fallback
      FROM risen
      JOIN notice AS n ON n.id = risen.notice_id
      JOIN unnest(:plan_kinds::text[], :plan_channels::text[], :plan_fallbacks::text[])
           AS plan(kind, channel, fallback) ON plan.kind = n.kind AND plan.channel = risen.channel
     WHERE risen.state = 'failed' AND n.valid_until > :now
), opened AS (  -- NOT EXISTS: as in record_outcomes, nobody waits for a row that is there
    INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, station_id, slot_starts_at, next_attempt_at)
    SELECT notice_id, fallback, 'pending', urgency, vendor_id, station_id, slot_starts_at, :now
      FROM next
     WHERE NOT EXISTS (SELECT FROM delivery AS d WHERE d.notice_id = next.notice_id AND d.channel = next.fallback)
     ORDER BY notice_id, fallback
        ON CONFLICT DO NOTHING
    RETURNING notice_id
), hurried AS (  -- a channel that is planned for later comes now, where no other one is on its way or there
    UPDATE delivery AS d SET next_attempt_at = :now
      FROM next AS w
     WHERE d.notice_id = w.notice_id AND d.channel = w.fallback
       AND d.state || '' = 'pending' AND d.lease = 0 AND d.next_attempt_at > :now
       AND NOT EXISTS (SELECT FROM delivery AS o
                        WHERE o.notice_id = w.notice_id AND o.channel NOT IN (w.channel, w.fallback, 'webhook')
                          AND (o.state || '' IN ('sent', 'delivered')
                               OR o.state || '' = 'pending' AND (o.lease > 0 OR o.next_attempt_at <= :now)))
    RETURNING d.notice_id
), suppressed AS (  -- also by a mail that nobody knows; once, so that what an operator lifted stays lifted; not by what
                     -- happened before the address was put back
    INSERT INTO suppression (channel, address, reason, at)
    SELECT DISTINCT ON (channel, address) channel, address, coalesce(error, 'reported by ' || provider), :now
      FROM found JOIN arrived USING (provider, event_id)
     WHERE suppress AND address IS NOT NULL
       AND NOT EXISTS (SELECT FROM receipt AS r
                        WHERE r.channel = found.channel AND r.address = found.address AND r.status = 'start'
                          AND least(r.happened_at, r.at) > least(found.happened_at, :now))
     ORDER BY channel, address, event_id
        ON CONFLICT DO NOTHING
    RETURNING channel
)
SELECT (SELECT count(*) FROM arrived) AS arrived, (SELECT count(*) FROM known) AS known,
       (SELECT count(*) FROM risen) AS risen, (SELECT count(*) FROM opened) + (SELECT count(*) FROM hurried) AS opened,
       (SELECT count(*) FROM suppressed) AS suppressed
