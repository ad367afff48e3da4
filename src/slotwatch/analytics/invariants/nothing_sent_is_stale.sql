-- name: nothing_sent_is_stale: nothing was accepted after its time, or when it had not been true for longer than a lease
-- guard: read only
-- index: attempt and transition are read whole; a try may take as long as a lease, 30 s, from the last look to the record
WITH truth (kind, states) AS (
    VALUES ('booking_confirmed', ARRAY['confirmed', 'grace', 'active']), ('reminder', ARRAY['confirmed']),
           ('slot_started', ARRAY['grace']), ('grace_alert', ARRAY['grace']), ('grace_extended', ARRAY['grace']),
           ('checked_in', ARRAY['active', 'completed']), ('slot_expired', ARRAY['expired']),
           ('slot_voided', ARRAY['voided']), ('booking_cancelled', ARRAY['cancelled']),
           ('booking_completed', ARRAY['completed']), ('booking_reinstated', ARRAY['reinstated']),
           ('dispute_upheld', ARRAY['expired'])
), span AS (
    SELECT booking_id, to_state, at, lead(at) OVER (PARTITION BY booking_id ORDER BY version) AS until FROM transition
), sent AS (
    SELECT n.booking_id, n.kind, n.valid_until, a.channel, a.at
      FROM attempt AS a
      JOIN notice AS n ON n.id = a.notice_id
     WHERE a.outcome = 'accepted'
)
SELECT booking_id, format('%s by %s was sent at %s, valid until %s', kind, channel, at, valid_until) AS fault
  FROM sent
 WHERE at > valid_until + interval '30 seconds'
 UNION ALL
SELECT s.booking_id, format('%s by %s was sent at %s, while %s since %s', s.kind, s.channel, s.at, span.to_state, span.at)
  FROM sent AS s
  JOIN span ON span.booking_id = s.booking_id
   AND span.at <= s.at - interval '30 seconds' AND (span.until IS NULL OR span.until > s.at - interval '30 seconds')
  JOIN truth ON truth.kind = s.kind
 WHERE span.to_state <> ALL (truth.states)
   AND NOT EXISTS (SELECT FROM transition AS t  -- true again, or just become true, within the lease
                    WHERE t.booking_id = s.booking_id AND t.to_state = ANY (truth.states)
                      AND t.at BETWEEN s.at - interval '30 seconds' AND s.at)
