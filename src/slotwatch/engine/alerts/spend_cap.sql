-- name: spend_cap: vendors whose paid messages of today have come so near their cap that one more is not sent.
-- guard: reads only.
-- index: spend_pkey
SELECT v.id AS vendor_id, 'day' AS subject, NULL::bigint AS station_id, true AS is_bad,
       jsonb_build_object('spent', spent.amount, 'cap', cap.amount) AS detail
  FROM vendor AS v
 CROSS JOIN LATERAL (SELECT coalesce(v.spend_cap, :house_cap::bigint) AS amount) AS cap
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(amount), 0) AS amount FROM spend
        WHERE vendor_id = v.id AND day = (:now::timestamptz AT TIME ZONE 'UTC')::date) AS spent
 WHERE spent.amount > 0 AND spent.amount + :one_more::bigint > cap.amount
   AND NOT coalesce(v.alert_rules -> 'off', '[]') @> '["spend_cap"]'
