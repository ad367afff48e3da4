-- name: station_search: stations by distance from a point or, without one, by id; a page at a time.
-- guard: reads only; what was removed is not there.
-- index: station_pkey; distance is worked out for every station (the haversine needs no extension), some 10,000 in 10 ms.
WITH placed AS (
    SELECT s.*,
           CASE WHEN :latitude::float8 IS NULL THEN 0
                ELSE 2 * 6371.0088 * asin(least(1, sqrt(
                         power(sin(radians(s.latitude - :latitude) / 2), 2)
                         + cos(radians(:latitude)) * cos(radians(s.latitude))
                           * power(sin(radians(s.longitude - :longitude::float8) / 2), 2)))) END AS distance_km
      FROM station AS s
     WHERE s.removed_at IS NULL
)
SELECT id, vendor_id, name, address, latitude, longitude, zone, opening_hours, rotating_code, check_in_radius_m,
       CASE WHEN :latitude::float8 IS NOT NULL THEN distance_km END AS distance_km, distance_km AS place
  FROM placed
 WHERE (:radius_km::float8 IS NULL OR distance_km <= :radius_km)
   AND (:connector_type::text IS NULL
        OR EXISTS (SELECT FROM connector AS c WHERE c.station_id = placed.id AND lower(c.type) = lower(:connector_type)
                     AND c.removed_at IS NULL))
   AND (name || ' ' || address || ' ' || translate(zone, '_', ' ')) ILIKE ALL (:words::text[])
   AND (:after_place::float8 IS NULL OR (distance_km, id) > (:after_place, :after_id::bigint))
 ORDER BY distance_km, id
 LIMIT :limit
