-- name: deliveries: how many deliveries about a vendor's slots ended how, by channel; slots that began in one period.
-- guard: reads only. Pending deliveries are not counted: nothing is known about them yet.
-- index: delivery_slot_idx (vendor_id, channel, state, slot_starts_at, station_id), one short walk for each pair of
-- channel and state: a quarter of what grouping the same rows costs.
SELECT 0 AS key, c.channel, s.state, deliveries
  FROM unnest(:channels::text[]) AS c(channel)
 CROSS JOIN unnest(:states::text[]) AS s(state)
 CROSS JOIN LATERAL (
       SELECT count(*) AS deliveries FROM delivery AS d
        WHERE d.vendor_id = :vendor_id AND d.channel = c.channel AND d.state = s.state AND d.state <> 'pending'
          AND d.slot_starts_at > :since AND d.slot_starts_at <= :until
          AND (:station_id::bigint IS NULL OR d.station_id = :station_id)) AS counted
 WHERE deliveries > 0
