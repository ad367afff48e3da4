-- name: tell: one notice with a delivery for each channel, told once an occasion.
-- guard: notice_own_idx (kind, occasion) for those about no booking, else one per booking, kind, occasion and epoch.
-- index: booking_pkey
WITH clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now
), noted AS (
    INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at, recipient, facts)
    SELECT :booking_id::bigint, :kind, :occasion, 0, now + :valid_for::interval, now, :recipient::jsonb, :facts::jsonb
      FROM clock
        ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, station_id, slot_starts_at, next_attempt_at)
SELECT noted.id, channel, 'pending', :urgency::smallint, coalesce(b.vendor_id, 0), b.station_id, b.starts_at, now
  FROM noted CROSS JOIN clock CROSS JOIN unnest(:channels::text[]) AS channel
  LEFT JOIN booking AS b ON b.id = :booking_id
 WHERE channel <> 'push' OR has_browser(:booking_id)
