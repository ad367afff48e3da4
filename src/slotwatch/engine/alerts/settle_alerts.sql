-- name: settle_alerts: raise what is bad and not open yet, resolve what is open and over; returns both.
-- guard: alert_open_idx keeps one alert of a kind and subject open; only kinds that were measured now are resolved.
-- index: alert_open_idx
-- What is measured but not bad keeps its alert open: the way back is longer than the way there, so that none flaps.
WITH reading AS MATERIALIZED (
    SELECT * FROM unnest(:vendor_ids::bigint[], :kinds::text[], :subjects::text[], :station_ids::bigint[],
                         :details::jsonb[], :bad::boolean[])
           AS r(vendor_id, kind, subject, station_id, detail, is_bad)
), resolved AS (
    UPDATE alert AS a SET resolved_at = :now
     WHERE a.resolved_at IS NULL AND a.kind = ANY (:measured::text[])
       AND CASE WHEN a.vendor_id IS NULL THEN true  -- else only what the vendors of this look were measured by
                WHEN a.kind = 'high_no_show_rate' THEN a.vendor_id % :slices::bigint = :slice::bigint
                WHEN a.kind = 'delivery_failures' THEN a.vendor_id % least(:slices, 5) = :slice % 5
                ELSE true END
       AND NOT EXISTS (SELECT FROM reading AS r
                        WHERE r.kind = a.kind AND r.subject = a.subject AND r.vendor_id IS NOT DISTINCT FROM a.vendor_id)
    RETURNING a.id, a.vendor_id, a.kind, a.subject, a.station_id, a.detail
), raised AS (
    INSERT INTO alert (vendor_id, kind, subject, station_id, detail, raised_at)
    SELECT vendor_id, kind, subject, station_id, detail, :now FROM reading WHERE is_bad
        ON CONFLICT (coalesce(vendor_id, 0), kind, subject) WHERE resolved_at IS NULL DO NOTHING
    RETURNING id, vendor_id, kind, subject, station_id, detail
)
SELECT 'raised' AS became, r.*, s.name AS station_name, s.zone FROM raised AS r LEFT JOIN station AS s ON s.id = r.station_id
UNION ALL
SELECT 'resolved', r.*, NULL, NULL FROM resolved AS r
