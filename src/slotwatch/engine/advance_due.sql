-- name: advance_due: move up to :limit bookings whose step is due, log the moves and write what people must be told.
-- guard: the rows are locked before they are judged; the rule joined is the one for the locked step and state.
-- index: booking_due_idx (due_at, id); relies on CHECK final_has_no_due, else dead rows would block the front.
-- The rules come from domain/lifecycle.py, notices.py and money.py as parallel arrays.
WITH clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now
), due AS MATERIALIZED (  -- a fence: the planner must not run the LIMIT twice
    SELECT b.id, b.ctid AS place, b.state, b.step, b.due_at, b.grace_last_at IS NULL AS no_last_call
      FROM booking AS b
     WHERE b.due_at <= (SELECT now FROM clock) AND NOT b.set_aside
       AND (:ids::bigint[] IS NULL OR b.id = ANY (:ids))
       AND (:may_expire OR b.step <> 'expire')
     ORDER BY b.due_at, b.id
     LIMIT :limit
       FOR UPDATE SKIP LOCKED
), expiring AS MATERIALIZED (  -- what speaks against a no-show: a check-in in time, our own outage, nobody was told
    SELECT b.id, proof.received_at, proof.method, fair.grace_ends_at AS owed,
           CASE WHEN proof.received_at IS NOT NULL THEN 'checked_in'
                WHEN fair.grace_ends_at > clock.now THEN 'extended'  -- told of the new deadline, if not of the start
                WHEN fair.grace_ends_at IS NOT NULL OR NOT told.so THEN 'no_fault'
                ELSE 'time' END AS cause,
           CASE WHEN proof.received_at IS NULL AND fair.grace_ends_at IS NULL AND NOT told.so
                THEN 'start_notice_not_sent' END AS end_reason
      FROM due
      JOIN booking AS b ON b.id = due.id
     CROSS JOIN clock
     CROSS JOIN LATERAL (SELECT least(
           make_interval(mins => (b.terms ->> 'gracePeriodMinutes')::int), b.ends_at - b.starts_at) AS lasts) AS grace
     CROSS JOIN LATERAL (
           SELECT fair_grace_end(b.starts_at, b.ends_at, grace.lasts, clock.now) AS grace_ends_at) AS fair
     CROSS JOIN LATERAL (SELECT EXISTS (
           SELECT FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id
            WHERE n.booking_id = b.id AND n.kind IN ('slot_started', 'grace_extended')
              AND d.channel <> 'webhook' AND d.state IN ('sent', 'delivered'))
           OR EXISTS (  -- the start may have arrived, and what is left of the grace did go out
           SELECT FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id
            WHERE n.booking_id = b.id AND n.kind IN ('slot_started', 'grace_extended') AND d.state = 'unknown'
              AND d.channel <> 'webhook'
              AND EXISTS (SELECT FROM notice AS a JOIN delivery AS e ON e.notice_id = a.id
                           WHERE a.booking_id = b.id AND a.kind = 'grace_alert' AND e.channel <> 'webhook'
                              AND e.state IN ('sent', 'delivered')))
           OR EXISTS (  -- the driver's own wish kept it back, and nothing that they left open failed
           SELECT FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id
            WHERE n.booking_id = b.id AND n.kind IN ('slot_started', 'grace_extended') AND d.channel IN ('email', 'sms')
           HAVING bool_or(d.kept_back IN ('switched_off', 'said_stop')) AND bool_and(d.kept_back IS NOT NULL))
           AS so) AS told
      LEFT JOIN LATERAL (
           SELECT e.received_at, e.method FROM evidence AS e
            WHERE e.booking_id = b.id AND e.kind = 'check_in' AND e.valid
              AND e.received_at >= b.check_in_opens_at
              AND (e.received_at <= b.grace_ends_at
                   OR e.received_at <= fair_grace_end(b.starts_at, b.ends_at, grace.lasts, e.received_at))
            ORDER BY e.received_at LIMIT 1) AS proof ON true
     WHERE due.step = 'expire'
), rule AS (
    SELECT * FROM unnest(
        :rule_steps::text[], :rule_causes::text[], :rule_from::text[], :rule_to::text[], :rule_next_steps::text[],
        :rule_end_reasons::text[], :rule_notices::text[], :rule_occasions::text[], :rule_logged::boolean[],
        :rule_entries::text[], :rule_debits::text[], :rule_credits::text[], :rule_payment_statuses::text[],
        :rule_anchors::text[], :rule_offsets::interval[], :rule_urgencies::smallint[]
    ) AS r(step, cause, from_state, to_state, next_step, end_reason, notice, occasion, logged, entry, debit, credit,
           payment_status, anchor, "offset", urgency)
), move AS MATERIALIZED (
    SELECT due.id, due.place, due.due_at, rule.*, expiring.received_at, expiring.method,
           CASE expiring.cause WHEN 'extended' THEN expiring.owed ELSE expiring.received_at END AS grace_until,
           coalesce(expiring.end_reason, rule.end_reason) AS reason,
           CASE WHEN rule.next_step = 'grace_last' AND due.no_last_call THEN 'expire' ELSE rule.next_step END AS then_step
      FROM due
      LEFT JOIN expiring ON expiring.id = due.id
      JOIN rule ON rule.step = due.step AND rule.from_state = due.state
               AND rule.cause = coalesce(expiring.cause, 'time')
), moved AS (
    UPDATE booking AS b
       SET state = move.to_state,
           step = move.then_step,
           due_at = CASE move.then_step
               WHEN 'start' THEN b.starts_at
               WHEN 'grace_half' THEN b.grace_half_at
               WHEN 'grace_last' THEN b.grace_last_at
               WHEN 'expire' THEN greatest(b.grace_ends_at, move.grace_until) + (b.expires_at - b.grace_ends_at)
               WHEN 'complete' THEN b.ends_at END,
           grace_ends_at = greatest(b.grace_ends_at, move.grace_until),
           expires_at = greatest(b.grace_ends_at, move.grace_until) + (b.expires_at - b.grace_ends_at),
           started_at = CASE WHEN move.to_state = 'grace' AND b.state = 'confirmed' THEN clock.now ELSE b.started_at END,
           checked_in_at = coalesce(move.received_at, b.checked_in_at),
           check_in_method = coalesce(move.method, b.check_in_method),
           expired_at = CASE WHEN move.to_state = 'expired' THEN clock.now ELSE b.expired_at END,
           ended_at = CASE WHEN move.then_step IS NULL THEN clock.now END,
           end_reason = CASE WHEN move.then_step IS NULL THEN move.reason END,
           payment_status = CASE b.payment_status
               WHEN 'paid' THEN coalesce(move.payment_status, b.payment_status)
               WHEN 'awaited' THEN CASE WHEN move.then_step IS NULL THEN 'not_paid' ELSE b.payment_status END
               ELSE b.payment_status END,
           version = b.version + move.logged::int,
           epoch = b.epoch + (move.cause = 'extended')::int,
           tries = 0,
           updated_at = clock.now
      FROM move
     CROSS JOIN clock
     WHERE b.ctid = move.place AND b.id = move.id
    RETURNING b.id, b.version, b.epoch, b.starts_at, b.grace_ends_at, b.ends_at, b.amount, b.currency,
              b.payment_status AS paid_as, move.step, move.cause, move.from_state, move.to_state, move.due_at,
              move.reason, move.notice, move.occasion, move.logged, move.entry, move.debit, move.credit,
              move.payment_status, move.anchor, move."offset", move.urgency, move.received_at
), logged AS (
    INSERT INTO transition (booking_id, version, from_state, to_state, cause, actor, reason, due_at, at)
    SELECT id, version, from_state, to_state, cause, 'engine', reason, due_at, now FROM moved, clock WHERE logged
), noted AS (  -- one notice per (booking, kind, occasion, epoch): the constraint, not luck
    INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)
    SELECT id, notice, occasion, epoch,
           "offset" + CASE anchor WHEN 'starts_at' THEN starts_at WHEN 'grace_ends_at' THEN grace_ends_at
                                  WHEN 'ends_at' THEN ends_at ELSE clock.now END,
           clock.now
      FROM moved, clock
        ON CONFLICT DO NOTHING
    RETURNING id, booking_id, kind, valid_until
), queued AS (
    INSERT INTO delivery (notice_id, channel, state, error, urgency, vendor_id, station_id, slot_starts_at,
                          next_attempt_at)
    SELECT noted.id, plan.channel,
           CASE WHEN noted.valid_until < clock.now THEN 'missed' ELSE 'pending' END,
           CASE WHEN noted.valid_until < clock.now THEN 'its time had passed before it was due' END,
           plan.urgency, b.vendor_id, b.station_id, b.starts_at, clock.now + plan.after
      FROM noted CROSS JOIN clock
      JOIN booking AS b ON b.id = noted.booking_id  -- by its key: the planner takes moved for a few rows and would loop
      JOIN unnest(:plan_kinds::text[], :plan_channels::text[], :plan_urgencies::smallint[], :plan_afters::interval[])
           AS plan(kind, channel, urgency, after)
             ON plan.kind = noted.kind AND (plan.after = interval '0' OR clock.now + plan.after < noted.valid_until)
            AND (plan.channel <> 'push' OR has_browser(noted.booking_id))
    RETURNING notice_id, channel, state
), dropped AS (  -- never tried, so metrics would not know
    INSERT INTO unsent (notice_id, channel, state, at)
    SELECT notice_id, channel, state, clock.now FROM queued CROSS JOIN clock WHERE state = 'missed'
), posted AS (
    INSERT INTO ledger (booking_id, entry, debit, credit, amount, currency, at)
    SELECT id, entry, debit, credit, amount, currency, now FROM moved, clock
     WHERE entry IS NOT NULL AND amount > 0 AND paid_as = payment_status
)
SELECT step, cause, from_state, to_state, count(*) AS moved, (SELECT now FROM clock) AS now,
       max((SELECT now FROM clock) - due_at) AS latest
  FROM moved
 GROUP BY step, cause, from_state, to_state
