-- name: town: the bookings of a small town that are live, or ended within the last :kept, and what was last told.
-- guard: reads only
-- index: booking_station_idx once per station (starts_at >= :since), so it stays quick however old the town is
SELECT b.id, b.state, b.starts_at, b.grace_ends_at, b.ends_at, b.hold_ends_at, b.checked_in_at,
       b.check_in_method, b.ended_at, b.end_reason, b.created_at,
       d.name AS driver, s.name AS station, s.zone, c.label, c.type, c.power_kw,
       (SELECT n.kind FROM notice AS n WHERE n.booking_id = b.id ORDER BY n.id DESC LIMIT 1) AS told
  FROM (SELECT id, name, zone FROM station ORDER BY id LIMIT 60) AS s
 CROSS JOIN LATERAL (
       SELECT * FROM booking AS near
        WHERE near.station_id = s.id AND near.starts_at >= :since
          AND (near.ended_at IS NULL OR near.ended_at >= :ended_since)
        ORDER BY near.starts_at DESC LIMIT 40) AS b
  JOIN connector AS c ON c.id = b.connector_id
  JOIN driver AS d ON d.id = b.driver_id
 ORDER BY b.ended_at DESC NULLS FIRST, b.id
