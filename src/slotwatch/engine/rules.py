"""The tables of the domain as the parallel arrays that `advance_due.sql` takes."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from slotwatch.domain.lifecycle import STEP_RULES, StepRule
from slotwatch.domain.money import SETTLEMENTS
from slotwatch.domain.notices import LOUDER_AFTER, NOTICE_RULES, Channel, NoticeKind

__all__ = ["plan_arrays", "rule_arrays"]

_RULE_COLUMNS: dict[str, Callable[[StepRule], Any]] = {
    "rule_steps": lambda rule: rule.step.value,
    "rule_causes": lambda rule: rule.cause.value,
    "rule_from": lambda rule: rule.state.value,
    "rule_to": lambda rule: rule.to_state.value,
    "rule_next_steps": lambda rule: rule.next_step and rule.next_step.value,
    "rule_end_reasons": lambda rule: rule.end_reason and rule.end_reason.value,
    "rule_notices": lambda rule: rule.notice,
    "rule_occasions": lambda rule: rule.occasion,
    "rule_logged": lambda rule: rule.is_logged,
    "rule_entries": lambda rule: _settlement(rule, "entry"),
    "rule_debits": lambda rule: _settlement(rule, "debit"),
    "rule_credits": lambda rule: _settlement(rule, "credit"),
    "rule_payment_statuses": lambda rule: _settlement(rule, "payment_status"),
    "rule_anchors": lambda rule: NOTICE_RULES[NoticeKind(rule.notice)].anchor.value,
    "rule_offsets": lambda rule: NOTICE_RULES[NoticeKind(rule.notice)].offset,
    "rule_urgencies": lambda rule: int(NOTICE_RULES[NoticeKind(rule.notice)].urgency),
}


def rule_arrays() -> dict[str, list[Any]]:
    """One array per column of the rule table, one entry per StepRule."""
    return {name: [column(rule) for rule in STEP_RULES] for name, column in _RULE_COLUMNS.items()}


def plan_arrays(channels: Collection[Channel], louder_after: timedelta = LOUDER_AFTER) -> dict[str, list[Any]]:
    """Which kinds go out on which of the enabled channels, and how long after, one entry per kind and channel."""
    plan = [
        (kind.value, int(rule.urgency), later)
        for kind, rule in NOTICE_RULES.items()
        for later in rule.plan(channels, louder_after)
    ]
    return {
        "plan_kinds": [kind for kind, _, _ in plan],
        "plan_urgencies": [urgency for _, urgency, _ in plan],
        "plan_channels": [later.channel.value for _, _, later in plan],
        "plan_afters": [later.after for _, _, later in plan],
    }


def _settlement(rule: StepRule, part: str) -> str | None:
    settlement = SETTLEMENTS.get(rule.to_state) if rule.next_step is None else None
    return None if settlement is None else getattr(settlement, part).value
