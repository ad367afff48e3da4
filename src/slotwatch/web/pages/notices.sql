-- name: notices: one booking as messages tell it, for its calendar file and its countdown.
-- guard: reads only; the caller holds a token that we signed for this booking
-- index: booking_pkey
SELECT b.id AS booking_id, b.version, b.state, b.starts_at, b.ends_at, b.grace_ends_at, b.check_in_opens_at,
       b.end_reason, s.name AS station_name, s.address, s.zone, s.latitude, s.longitude, c.label, p.preferences,
       v.language AS vendor_language, coalesce(:now::timestamptz, clock_timestamp()) AS now
  FROM booking AS b
  JOIN station AS s ON s.id = b.station_id
  JOIN vendor AS v ON v.id = s.vendor_id
  JOIN connector AS c ON c.id = b.connector_id
  JOIN driver AS p ON p.id = b.driver_id
 WHERE b.id = :booking_id
