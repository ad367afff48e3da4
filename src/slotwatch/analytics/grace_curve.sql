-- name: grace_curve: check-ins of a vendor's bookings by whole minutes after the start of the slot.
-- guard: reads only. Counted are the bookings that figures.sql counts; earlier check-ins are not on the curve.
-- index: booking_ended_idx and booking_live_idx (vendor_id, starts_at, id)
SELECT floor(extract(epoch FROM checked_in_at - starts_at) / 60)::int AS minute, count(*) AS check_ins
  FROM (SELECT station_id, starts_at, checked_in_at FROM booking
         WHERE vendor_id = :vendor_id AND due_at IS NULL AND starts_at > :since AND starts_at <= :until
        UNION ALL
        SELECT station_id, starts_at, checked_in_at FROM booking
         WHERE vendor_id = :vendor_id AND due_at IS NOT NULL AND starts_at <= :until
           AND (:with_live OR starts_at > :since)) AS counted
 WHERE checked_in_at >= starts_at AND (:station_id::bigint IS NULL OR station_id = :station_id)
 GROUP BY 1
 ORDER BY 1
