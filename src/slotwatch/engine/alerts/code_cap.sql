-- name: code_cap: whether as many codes to sign in went out by SMS within 24 hours as may; the house pays them.
-- guard: reads only.
-- index: sign_in_code_ends_idx (a code ends after it was made)
SELECT NULL::bigint AS vendor_id, 'codes' AS subject, NULL::bigint AS station_id, codes.sent >= :code_cap::int AS is_bad,
       jsonb_build_object('codes', codes.sent, 'hours', 24) AS detail
  FROM (SELECT count(*) AS sent FROM sign_in_code
         WHERE ends_at > :now::timestamptz - interval '24 hours'
           AND created_at > :now::timestamptz - interval '24 hours' AND channel = 'sms') AS codes
 WHERE :code_cap::int > 0 AND codes.sent >= 0.8 * :code_cap::int
