-- name: spend_cap: vendors whose messages of today cost as much as the vendor said they may.
-- guard: reads only.
-- index: spend_pkey
SELECT v.id AS vendor_id, 'day' AS subject, NULL::bigint AS station_id, true AS is_bad,
       jsonb_build_object('spent', spent.amount, 'cap', v.spend_cap) AS detail
  FROM vendor AS v
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(amount), 0) AS amount FROM spend
        WHERE vendor_id = v.id AND day = (:now::timestamptz AT TIME ZONE 'UTC')::date) AS spent
 WHERE v.spend_cap IS NOT NULL AND spent.amount > 0 AND spent.amount >= v.spend_cap
   AND NOT coalesce(v.alert_rules -> 'off', '[]') @> '["spend_cap"]'
