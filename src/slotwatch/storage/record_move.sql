-- name: record_move: write one booking's move, its history, its notice and its money, all or nothing.
-- guard: the row still has the version that the move was decided on, and its money is where it was then (a forfeit
-- becomes final without a move); else nothing at all is written.
-- index: booking_pkey
WITH moved AS (
    UPDATE booking
       SET state = :state, step = :step, due_at = :due_at, remind_at = :remind_at,
           grace_ends_at = :grace_ends_at, expires_at = :expires_at, payment_status = :payment_status,
           started_at = :started_at, checked_in_at = :checked_in_at, check_in_method = :check_in_method,
           expired_at = :expired_at, ended_at = :ended_at, end_reason = :end_reason,
           version = version + 1, epoch = :epoch, tries = 0, set_aside = false, updated_at = :at
     WHERE id = :id AND version = :version AND state = :from_state AND payment_status = :paid_before
    RETURNING id, version, vendor_id, station_id, starts_at
), logged AS (
    INSERT INTO transition (booking_id, version, from_state, to_state, cause, actor, reason, due_at, at)
    SELECT id, version, :from_state, :state, :cause, :actor, :reason, NULL, :at FROM moved
), noted AS (
    INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)
    SELECT id, :notice, '', :epoch, :valid_until, :at FROM moved
        ON CONFLICT DO NOTHING
    RETURNING id
), queued AS (
    INSERT INTO delivery (notice_id, channel, state, error, urgency, vendor_id, station_id, slot_starts_at,
                          next_attempt_at)
    SELECT noted.id, channel, CASE WHEN :valid_until < :at THEN 'missed' ELSE 'pending' END,
           CASE WHEN :valid_until < :at THEN 'its time had passed before it was due' END, :urgency,
           moved.vendor_id, moved.station_id, moved.starts_at, :at
      FROM noted CROSS JOIN moved CROSS JOIN unnest(:channels::text[]) AS channel
     WHERE channel <> 'push' OR has_browser(:id)
    RETURNING notice_id, delivery.channel, delivery.state
), dropped AS (
    INSERT INTO unsent (notice_id, channel, state, at)
    SELECT notice_id, channel, state, :at FROM queued WHERE state = 'missed'
), posted AS (
    INSERT INTO ledger (booking_id, entry, debit, credit, amount, currency, at)
    SELECT moved.id, p.entry, p.debit, p.credit, p.amount, :currency, :at
      FROM moved CROSS JOIN unnest(:entries::text[], :debits::text[], :credits::text[], :amounts::bigint[])
           AS p(entry, debit, credit, amount)
)
SELECT count(*) FROM moved
