-- name: deliveries_by: what deliveries.sql counts, told apart by station, local hour, weekday, hour of the week or day.
-- guard: reads only. Pending deliveries are not counted: nothing is known about them yet.
-- index: delivery_slot_idx (vendor_id, channel, state, slot_starts_at, station_id)
SELECT CASE :by WHEN 'station' THEN station_id
                ELSE (SELECT CASE :by
                             WHEN 'hour' THEN extract(hour FROM local)
                             WHEN 'weekday' THEN extract(isodow FROM local) - 1
                             WHEN 'hour_of_week' THEN extract(isodow FROM local) * 24 - 24 + extract(hour FROM local)
                             WHEN 'day' THEN local::date - date '1970-01-01' END::bigint
                        FROM station AS s CROSS JOIN LATERAL (SELECT slot_starts_at AT TIME ZONE s.zone) AS at(local)
                       WHERE s.id = station_id) END AS key,
       channel, state, sum(deliveries)::bigint AS deliveries
  FROM (SELECT station_id, slot_starts_at, channel, state, count(*) AS deliveries
          FROM delivery
         WHERE vendor_id = :vendor_id AND channel = ANY (:channels::text[]) AND state = ANY (:states::text[])
           AND state <> 'pending' AND slot_starts_at > :since AND slot_starts_at <= :until
           AND (:station_id::bigint IS NULL OR station_id = :station_id)
         GROUP BY 1, 2, 3, 4) AS of_slot
 GROUP BY 1, 2, 3
