-- name: live_means_one_timer: a live booking has one next step, of its state, due when its timeline says; a final one none
-- guard: read only
-- index: booking is read whole
SELECT b.id AS booking_id, format('%s, next %s at %s', b.state, coalesce(b.step, 'nothing'), b.due_at) AS fault
  FROM booking AS b
 CROSS JOIN LATERAL (
       SELECT CASE b.step WHEN 'hold_ends' THEN b.hold_ends_at WHEN 'remind' THEN b.remind_at
                          WHEN 'start' THEN b.starts_at WHEN 'grace_half' THEN b.grace_half_at
                          WHEN 'grace_last' THEN b.grace_last_at WHEN 'expire' THEN b.expires_at
                          WHEN 'complete' THEN b.ends_at END AS due_at) AS timeline
 WHERE CASE WHEN b.state IN ('completed', 'expired', 'cancelled', 'voided', 'reinstated')
            THEN b.step IS NOT NULL OR b.due_at IS NOT NULL
            ELSE b.due_at IS NULL OR b.due_at IS DISTINCT FROM timeline.due_at
                 OR (b.state, b.step) NOT IN (('pending', 'hold_ends'), ('confirmed', 'remind'), ('confirmed', 'start'),
                    ('grace', 'grace_half'), ('grace', 'grace_last'), ('grace', 'expire'), ('active', 'complete')) END
