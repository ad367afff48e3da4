-- name: enter_reply: somebody, or their provider for them, wants no more messages at an address, or messages again.
-- guard: an event counts once (receipt_pkey), and one that happened before what is known of that address changes nothing:
-- providers repeat, and overtake themselves. One without a time happened now, and none later than it came.
-- index: receipt_wish_idx
WITH arrived AS (
    INSERT INTO receipt (provider, event_id, channel, status, suppress, address, matched, at, happened_at)
    VALUES (:provider, :event_id, :channel, :wants, :wants::text = 'stop', :address, true, :now, :happened_at)
        ON CONFLICT DO NOTHING
    RETURNING channel, address, status, least(happened_at, at) AS wished_at
), latest AS (
    SELECT channel, address, status FROM arrived
     WHERE NOT EXISTS (SELECT FROM receipt AS r
                        WHERE r.channel = arrived.channel AND r.address = arrived.address
                          AND (r.suppress OR r.status = 'start') AND r.suppress = (arrived.status = 'start')
                          AND least(r.happened_at, r.at) > arrived.wished_at)
), stopped AS (
    INSERT INTO suppression (channel, address, reason, at)
    SELECT channel, address, :reason, :now FROM latest WHERE status = 'stop'
        ON CONFLICT DO NOTHING
)
DELETE FROM suppression USING latest
 WHERE latest.status = 'start' AND suppression.channel = latest.channel AND suppression.address = latest.address
