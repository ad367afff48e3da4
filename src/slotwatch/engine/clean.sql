-- name: clean: forfeits whose hold has passed become final; deliveries that nobody sent in time are missed; old rows go.
-- guard: a forfeit with an open dispute waits; only pending deliveries without a running lease are closed.
-- index: booking_forfeit_idx, delivery_claim_idx, idempotency_created_idx, notice_own_idx, notice_own_valid_idx; a day of codes
WITH clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now
), final AS (
    UPDATE booking AS b SET payment_status = 'forfeited', updated_at = clock.now
      FROM clock
     WHERE b.payment_status = 'forfeit_held' AND b.state = 'expired' AND b.expired_at < clock.now - :hold::interval
       AND NOT EXISTS (SELECT FROM dispute AS d WHERE d.booking_id = b.id AND d.decided_at IS NULL)
    RETURNING b.id, b.amount, b.currency
), posted AS (
    INSERT INTO ledger (booking_id, entry, debit, credit, amount, currency, at)
    SELECT id, 'forfeited', 'forfeit', 'vendor', amount, currency, now FROM final CROSS JOIN clock WHERE amount > 0
), missed AS (
    UPDATE delivery AS d
       SET state = CASE WHEN d.handed_over IS NULL THEN 'missed' ELSE 'unknown' END,
           error = coalesce(d.error, CASE WHEN d.handed_over IS NULL THEN 'its time had passed before it could be sent'
                                          ELSE 'handed over, and the answer was lost: it may have arrived' END)
      FROM clock
     WHERE d.state = 'pending' AND d.next_attempt_at < clock.now
       AND (SELECT n.valid_until FROM notice AS n WHERE n.id = d.notice_id) < clock.now - interval '60 seconds'
    RETURNING d.notice_id, d.channel, d.state
), unsent_ones AS (
    INSERT INTO unsent (notice_id, channel, state, at)
    SELECT notice_id, channel, state, clock.now FROM missed CROSS JOIN clock WHERE state = 'missed'
), counted AS (
    DELETE FROM unsent USING clock WHERE at < clock.now - interval '1 day'
), keys AS (
    DELETE FROM idempotency USING clock WHERE created_at < clock.now - interval '7 days' RETURNING key
), letters AS (
    DELETE FROM inbox_message USING clock WHERE at < clock.now - interval '7 days' RETURNING id
), processes AS (
    DELETE FROM heartbeat USING clock WHERE beat_at < clock.now - interval '1 hour' RETURNING instance
), audits AS (
    DELETE FROM audit_run USING clock WHERE at < clock.now - interval '7 days' RETURNING id
), sessions AS (
    DELETE FROM session USING clock WHERE ends_at < clock.now - interval '1 day'
), stale AS (  -- a change of the board is kept from one cleaning to the next but one
    DELETE FROM board_change WHERE stale
), ageing AS (
    UPDATE board_change SET stale = true WHERE NOT stale
), receipts AS (
    DELETE FROM receipt USING clock WHERE at < clock.now - interval '30 days'
), told AS (
    DELETE FROM recipient_day USING clock WHERE day < (clock.now AT TIME ZONE 'UTC')::date - 1
), codes AS (  -- what a code was told by; the code itself was of use for minutes
    DELETE FROM notice USING clock
     WHERE booking_id IS NULL AND kind = 'sign_in_code' AND valid_until < clock.now - interval '1 day'
    RETURNING id
), old AS (  -- alerts, digests and disputes as they were told: they hold names and addresses
    DELETE FROM notice USING clock
     WHERE booking_id IS NULL AND kind <> 'sign_in_code' AND valid_until < clock.now - interval '30 days'
    RETURNING id
), gone AS (
    SELECT id FROM codes UNION ALL SELECT id FROM old
), sent_ones AS (
    DELETE FROM delivery USING gone WHERE notice_id = gone.id
), tried_ones AS (
    DELETE FROM attempt USING gone WHERE notice_id = gone.id
), stale_codes AS (
    DELETE FROM sign_in_code USING clock WHERE ends_at < clock.now - interval '1 day'
)
SELECT (SELECT now FROM clock) AS now, (SELECT count(*) FROM final) AS forfeits_final,
       (SELECT count(*) FROM missed) AS missed, (SELECT count(*) FROM keys) AS keys,
       (SELECT count(*) FROM letters) AS letters, (SELECT count(*) FROM processes) AS processes,
       (SELECT count(*) FROM audits) AS audits
