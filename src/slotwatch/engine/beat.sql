-- name: beat: note that a component is alive; the first beat after 15 s of silence records the silence as an outage.
-- guard: the component's row is locked while the gap is judged, so of two processes that come back one records it.
-- index: pulse_pkey, heartbeat_pkey
WITH clock AS MATERIALIZED (
    SELECT coalesce(:now::timestamptz, clock_timestamp()) AS now
), last AS MATERIALIZED (
    SELECT beat_at FROM pulse WHERE component = :component FOR UPDATE
), gap AS (
    INSERT INTO outage (component, began_at, ended_at, detail)
    SELECT :component, last.beat_at, clock.now, 'no ' || :component || ' process was alive'
      FROM last CROSS JOIN clock
     WHERE last.beat_at < clock.now - interval '15 seconds'
    RETURNING began_at
), alive AS (
    INSERT INTO pulse (component, beat_at) SELECT :component, now FROM clock
        ON CONFLICT (component) DO UPDATE SET beat_at = greatest(pulse.beat_at, excluded.beat_at)
), process AS (
    INSERT INTO heartbeat (instance, component, detail, started_at, beat_at)
    SELECT :instance, :component, :detail, now, now FROM clock
        ON CONFLICT (instance) DO UPDATE SET beat_at = excluded.beat_at, detail = excluded.detail
)
SELECT clock.now, (SELECT began_at FROM gap) AS silent_since FROM clock
