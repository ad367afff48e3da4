-- name: board_changes: what changed for some vendors that an earlier snapshot did not see; and the snapshot of this look.
-- guard: reads only. Told is what a transaction wrote that was not visible to :snapshot (null: all from :since on),
-- whatever order transactions commit in: nothing is skipped and nothing told twice. :since null asks for nothing.
-- index: board_change_xid_idx (xid)
WITH seen AS MATERIALIZED (
    SELECT pg_current_snapshot() AS snapshot, coalesce(:now::timestamptz, clock_timestamp()) AS now
)
SELECT seen.snapshot::text AS snapshot, pg_snapshot_xmin(seen.snapshot)::text::bigint AS xid, seen.now,
       c.vendor_id, c.station_id, c.booking_ids
  FROM seen
  LEFT JOIN board_change AS c
    ON c.xid >= :since::bigint AND c.vendor_id = ANY (:vendors::bigint[])
   AND (:snapshot::text IS NULL
        OR NOT pg_visible_in_snapshot(c.xid::text::xid8, :snapshot::text::pg_snapshot))
