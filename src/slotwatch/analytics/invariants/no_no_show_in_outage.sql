-- name: no_no_show_in_outage: nobody is a no-show who had less than the grace period because we were down
-- guard: read only
-- index: outage_ended_idx; 15 s of silence may still be unrecorded when a booking expires
SELECT b.id AS booking_id,
       format('expired at %s, and slotwatch was down for %s since %s', b.expired_at, down.lasted, b.starts_at) AS fault
  FROM booking AS b
 CROSS JOIN LATERAL (
       SELECT least(make_interval(mins => (b.terms ->> 'gracePeriodMinutes')::int), b.ends_at - b.starts_at) AS lasts
       ) AS grace
 CROSS JOIN LATERAL (
       SELECT sum(upper(gap) - lower(gap)) AS lasted
         FROM unnest((SELECT range_agg(tstzrange(o.began_at, o.ended_at) * tstzrange(b.starts_at, b.expired_at))
                        FROM outage AS o
                       WHERE o.began_at < b.expired_at AND o.ended_at > b.starts_at)) AS gap
       ) AS down
 WHERE b.state = 'expired'
   AND (b.expired_at - b.starts_at) - down.lasted
       < grace.lasts - least(interval '60 seconds', grace.lasts * 0.1) - interval '15 seconds'
