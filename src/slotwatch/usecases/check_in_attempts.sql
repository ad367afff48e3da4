-- name: check_in_attempts: every attempt of this moment becomes evidence, stamped and judged by what the station asks for.
-- guard: a booking of another driver is not there; evidence is only ever added.
-- index: booking_pkey, station_pkey; `judged` is materialized, so that all of it sees one `received_at`.
WITH judged AS MATERIALIZED (
    SELECT a.*, b.*, away.metres, s.rotating_code, s.check_in_radius_m,
           coalesce(a.scanned_id = b.connector_id, true) AS at_connector,
           a.is_vouched OR NOT s.rotating_code OR a.is_fresh AS has_code,
           a.is_vouched OR s.check_in_radius_m IS NULL
               OR coalesce(away.metres <= s.check_in_radius_m + a.accuracy, false) AS is_near,
           coalesce(:now::timestamptz, clock_timestamp()) AS received_at
      FROM unnest(:ids::bigint[], :driver_ids::bigint[], :methods::text[], :actors::text[], :connector_ids::bigint[],
                  :details::text[], :fresh::bool[], :vouched::bool[], :latitudes::float8[], :longitudes::float8[],
                  :accuracies::float8[])
           WITH ORDINALITY AS a(of_booking, of_driver, method, actor, scanned_id, detail, is_fresh, is_vouched,
                                latitude, longitude, accuracy, place)
      JOIN booking AS b ON b.id = a.of_booking AND b.driver_id = a.of_driver
      JOIN station AS s ON s.id = b.station_id
     CROSS JOIN LATERAL (
           SELECT CASE WHEN a.latitude IS NOT NULL THEN  -- least() would make nothing of a missing position
                  2000 * 6371.0088 * asin(least(1, sqrt(
                      power(sin(radians(s.latitude - a.latitude) / 2), 2)
                      + cos(radians(a.latitude)) * cos(radians(s.latitude))
                        * power(sin(radians(s.longitude - a.longitude) / 2), 2)))) END AS metres) AS away
), stored AS (
    INSERT INTO evidence (booking_id, kind, method, actor, valid, detail, received_at)
    SELECT id, 'check_in', method, actor, at_connector AND has_code AND is_near,
           CASE WHEN metres IS NULL OR check_in_radius_m IS NULL THEN detail::jsonb
                ELSE detail::jsonb || jsonb_build_object('metresAway', round(metres)) END, received_at
      FROM judged ORDER BY place)
SELECT * FROM judged
