-- name: instants_are_in_order: the instants of a booking follow its slot and its terms, and grace was never shortened
-- guard: read only
-- index: booking is read whole
SELECT b.id AS booking_id,
       format('%s, %s to %s, grace until %s, expires %s', b.check_in_opens_at, b.starts_at, b.ends_at, b.grace_ends_at,
              b.expires_at) AS fault
  FROM booking AS b
 CROSS JOIN LATERAL (
       SELECT least(make_interval(mins => (b.terms ->> 'gracePeriodMinutes')::int), b.ends_at - b.starts_at) AS lasts
       ) AS grace
 WHERE NOT (b.check_in_opens_at <= b.starts_at AND b.starts_at < b.grace_ends_at AND b.grace_ends_at <= b.ends_at
            AND b.ends_at - b.starts_at BETWEEN '15 minutes' AND '8 hours'
            AND b.grace_ends_at >= b.starts_at + grace.lasts
            AND b.expires_at = b.grace_ends_at + make_interval(secs => (b.terms ->> 'settleSeconds')::int)
            AND b.grace_half_at BETWEEN b.starts_at AND b.grace_ends_at
            AND coalesce(b.grace_last_at, b.grace_ends_at) BETWEEN b.grace_half_at AND b.grace_ends_at
            AND coalesce(b.remind_at, b.starts_at) <= b.starts_at)
