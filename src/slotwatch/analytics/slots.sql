-- name: slots: a page of a vendor's slots: those that are live in the order of their start, then ended ones, latest first.
-- guard: reads only; another vendor's bookings are not there.
-- index: booking_live_idx and booking_ended_idx (vendor_id, starts_at, id) in their own order; notice by its unique key.
-- A place in the list is (part, starts_at, id): part 0 is live, part 1 has ended.
WITH live AS (
    SELECT 0 AS part, starts_at, id FROM booking
     WHERE vendor_id = :vendor_id AND due_at IS NOT NULL
       AND (:station_id::bigint IS NULL OR station_id = :station_id) AND (:state::text IS NULL OR state = :state)
       AND (:after_part::int IS NULL OR (:after_part = 0 AND (starts_at, id) > (:after_at::timestamptz, :after_id::bigint)))
     ORDER BY starts_at, id
     LIMIT :limit
), ended AS (
    SELECT 1 AS part, starts_at, id FROM booking
     WHERE vendor_id = :vendor_id AND due_at IS NULL AND starts_at > :since AND starts_at <= :until
       AND (:station_id::bigint IS NULL OR station_id = :station_id) AND (:state::text IS NULL OR state = :state)
       AND (coalesce(:after_part, 0) = 0 OR (starts_at, id) < (:after_at, :after_id))
     ORDER BY starts_at DESC, id DESC
     LIMIT :limit
), page AS MATERIALIZED (
    SELECT part, id, row_number() OVER (ORDER BY part, CASE part WHEN 0 THEN starts_at END, CASE part WHEN 0 THEN id END,
                                                 starts_at DESC, id DESC) AS place
      FROM (SELECT * FROM live UNION ALL SELECT * FROM ended) AS both_parts
     ORDER BY place
     LIMIT :limit
)
SELECT b.*, page.part, s.name AS station_name, s.zone, c.label, d.name AS driver_name,
       told.notice_ids, told.kinds, told.occasions, told.channels, told.states AS delivery_states, told.attempts,
       told.sent_ats
  FROM page
  JOIN booking AS b ON b.id = page.id
  JOIN station AS s ON s.id = b.station_id
  JOIN connector AS c ON c.id = b.connector_id
  JOIN driver AS d ON d.id = b.driver_id
 CROSS JOIN LATERAL (
       SELECT array_agg(n.id ORDER BY n.id, d.channel) AS notice_ids,
              array_agg(n.kind ORDER BY n.id, d.channel) AS kinds,
              array_agg(n.occasion ORDER BY n.id, d.channel) AS occasions,
              array_agg(d.channel ORDER BY n.id, d.channel) AS channels,
              array_agg(d.state ORDER BY n.id, d.channel) AS states,
              array_agg(d.attempts ORDER BY n.id, d.channel) AS attempts,
              array_agg(d.sent_at ORDER BY n.id, d.channel) AS sent_ats
         FROM notice AS n
         JOIN delivery AS d ON d.notice_id = n.id
        WHERE n.booking_id = b.id) AS told
 ORDER BY page.place
