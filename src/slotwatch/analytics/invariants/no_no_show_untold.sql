-- name: no_no_show_untold: nobody is a no-show who was not told before that the slot had begun, but by their own wish
-- guard: read only
-- index: notice_booking_id_kind_occasion_epoch_key
SELECT b.id AS booking_id, format('expired at %s, and no start notice had gone out', b.expired_at) AS fault
  FROM booking AS b
 WHERE b.state = 'expired'
   AND NOT EXISTS (SELECT FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id
                    WHERE n.booking_id = b.id
                      AND (n.kind IN ('slot_started', 'grace_extended')
                           OR n.kind = 'grace_alert' AND EXISTS (  -- and the start may have arrived
                              SELECT FROM notice AS s JOIN delivery AS u ON u.notice_id = s.id
                               WHERE s.booking_id = b.id AND s.kind IN ('slot_started', 'grace_extended')
                                 AND u.channel <> 'webhook' AND u.state IN ('unknown', 'sent', 'delivered')))
                      AND d.channel <> 'webhook' AND d.state IN ('sent', 'delivered')
                      AND coalesce(d.sent_at, b.expired_at) <= b.expired_at)
   AND NOT EXISTS (SELECT FROM notice AS n JOIN delivery AS d ON d.notice_id = n.id
                    WHERE n.booking_id = b.id AND n.kind IN ('slot_started', 'grace_extended')
                      AND d.channel IN ('email', 'sms')
                   HAVING bool_or(d.kept_back IN ('switched_off', 'said_stop')) AND bool_and(d.kept_back IS NOT NULL))
