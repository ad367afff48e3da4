-- name: limit: what moving every booking costs at least: one statement that asks nothing and writes the same rows.
-- guard: none, on purpose: this is the limit that the engine is measured against, on a database of its own.
-- index: none is read; all of them are written, as by the engine
WITH moved AS (
    UPDATE booking
       SET state = 'grace', step = 'grace_half', due_at = grace_half_at, started_at = starts_at, version = version + 1,
           updated_at = starts_at
    RETURNING id, version, vendor_id, station_id, starts_at, grace_ends_at
), logged AS (
    INSERT INTO transition (booking_id, version, from_state, to_state, cause, actor, due_at, at)
    SELECT id, version, 'confirmed', 'grace', 'time', 'engine', starts_at, starts_at FROM moved
), noted AS (
    INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)
    SELECT id, 'slot_started', '', 0, grace_ends_at, starts_at FROM moved
    RETURNING id, booking_id, created_at
)
INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, station_id, slot_starts_at, next_attempt_at)
SELECT noted.id, channel, 'pending', 0, moved.vendor_id, moved.station_id, moved.starts_at, noted.created_at
  FROM noted JOIN moved ON moved.id = noted.booking_id CROSS JOIN unnest(:channels::text[]) AS channel
