-- name: audit: compare the whole: what is late, what is not on its timeline, which notice is missing; repairs the
-- last two.
-- guard: state and step are named in each WHERE; a row that moved meanwhile is left alone.
-- index: booking_due_idx, transition_at_idx (only the moves since :since are looked at), notice_booking_id_key
WITH clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now
), overdue AS (
    SELECT count(*) AS found, coalesce(max(clock.now - due_at), interval '0') AS latest
      FROM booking CROSS JOIN clock
     WHERE due_at < clock.now - :late_after::interval AND NOT set_aside
), stray AS MATERIALIZED (  -- live, but its step is not one of its state's, or not when the timeline says
    SELECT b.id, r.step, r.due_at
      FROM booking AS b
     CROSS JOIN LATERAL (SELECT CASE b.step WHEN 'hold_ends' THEN b.hold_ends_at WHEN 'remind' THEN b.remind_at
                WHEN 'start' THEN b.starts_at WHEN 'grace_half' THEN b.grace_half_at
                WHEN 'grace_last' THEN b.grace_last_at WHEN 'expire' THEN b.expires_at
                WHEN 'complete' THEN b.ends_at END AS due_at) AS should
     CROSS JOIN LATERAL (SELECT CASE b.state WHEN 'pending' THEN 'hold_ends' WHEN 'confirmed' THEN 'start'
                WHEN 'grace' THEN 'expire' WHEN 'active' THEN 'complete' END AS step,
           CASE b.state WHEN 'pending' THEN coalesce(b.hold_ends_at, b.starts_at) WHEN 'confirmed' THEN b.starts_at
                WHEN 'grace' THEN b.expires_at WHEN 'active' THEN b.ends_at END AS due_at) AS r
     WHERE b.due_at IS NOT NULL AND NOT b.set_aside
       AND (b.due_at IS DISTINCT FROM should.due_at
            OR NOT EXISTS (SELECT FROM unnest(:rule_steps::text[], :rule_from::text[]) AS ok(step, state)
                            WHERE ok.step = b.step AND ok.state = b.state))
       FOR UPDATE OF b SKIP LOCKED
), put_back AS (
    UPDATE booking AS b SET step = stray.step, due_at = stray.due_at, updated_at = clock.now
      FROM stray CROSS JOIN clock WHERE b.id = stray.id
    RETURNING b.id
), untold AS MATERIALIZED (  -- a recent move whose notice was never written
    SELECT t.booking_id, p.kind, p.urgency, b.epoch, p."offset" + CASE p.anchor WHEN 'starts_at' THEN b.starts_at
           WHEN 'grace_ends_at' THEN b.grace_ends_at WHEN 'ends_at' THEN b.ends_at ELSE clock.now END AS valid_until
      FROM transition AS t
     CROSS JOIN clock
      JOIN booking AS b ON b.id = t.booking_id
      JOIN unnest(:told_states::text[], :told_causes::text[], :told_kinds::text[], :told_anchors::text[],
                  :told_offsets::interval[], :told_urgencies::smallint[])
           AS p(to_state, cause, kind, anchor, "offset", urgency) ON p.to_state = t.to_state AND p.cause = t.cause
     WHERE t.at >= clock.now - :since::interval AND t.at < clock.now - interval '10 seconds'
       AND NOT EXISTS (SELECT FROM notice AS n WHERE n.booking_id = t.booking_id AND n.kind = p.kind)
), written AS (
    INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)
    SELECT booking_id, kind, '', epoch, valid_until, now FROM untold CROSS JOIN clock
        ON CONFLICT DO NOTHING
    RETURNING id, booking_id, kind, valid_until
), queued AS (
    INSERT INTO delivery (notice_id, channel, state, error, urgency, vendor_id, station_id, slot_starts_at,
                          next_attempt_at)
    SELECT w.id, plan.channel, CASE WHEN w.valid_until < clock.now THEN 'missed' ELSE 'pending' END,
           CASE WHEN w.valid_until < clock.now THEN 'its time had passed before it was found missing' END,
           plan.urgency, b.vendor_id, b.station_id, b.starts_at, clock.now + plan.after
      FROM written AS w CROSS JOIN clock
      JOIN booking AS b ON b.id = w.booking_id
      JOIN unnest(:plan_kinds::text[], :plan_channels::text[], :plan_urgencies::smallint[], :plan_afters::interval[])
           AS plan(kind, channel, urgency, after)
             ON plan.kind = w.kind AND (plan.after = interval '0' OR clock.now + plan.after < w.valid_until)
            AND (plan.channel <> 'push' OR has_browser(w.booking_id))
    RETURNING notice_id, channel, state
), dropped AS (
    INSERT INTO unsent (notice_id, channel, state, at)
    SELECT notice_id, channel, state, clock.now FROM queued CROSS JOIN clock WHERE state = 'missed'
)
SELECT (SELECT now FROM clock) AS now, (SELECT found FROM overdue) AS overdue, (SELECT latest FROM overdue) AS latest,
       (SELECT count(*) FROM put_back) AS stray, (SELECT count(*) FROM written) AS untold,
       (SELECT count(*) FROM booking WHERE set_aside) AS set_aside
