"""One delivery on its way into words: what it is about, in which language, and where links lead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slotwatch.domain.lifecycle import EndReason
from slotwatch.domain.money import PaymentStatus
from slotwatch.domain.notices import NoticeKind
from slotwatch.locale.catalogues import Language
from slotwatch.outbox import time_words
from slotwatch.outbox.claim import Claimed

__all__ = ["Telling"]

_ENDING = (NoticeKind.SLOT_EXPIRED, NoticeKind.SLOT_VOIDED, NoticeKind.BOOKING_CANCELLED)


@dataclass(frozen=True, kw_only=True)
class Telling:
    """One delivery to be put into words. `token` opens its countdown and calendar file; empty where there are none."""

    delivery: Claimed
    language: Language
    frontend_url: str
    token: str = ""
    check_in_token: str = ""  # lets who holds the message check in; empty where there is none
    values: dict[str, Any] = field(default_factory=dict)  # made so far: a mail has most of them in all of its parts

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the claim statement found."""
        return self.delivery.facts

    @property
    def told(self) -> Mapping[str, Any]:
        """What the notice itself brings along."""
        return self.delivery.told

    @property
    def zone(self) -> ZoneInfo:
        """Where the clocks of the station, or of who is told, stand."""
        return ZoneInfo(self.facts["zone"])

    @property
    def takes_back_entry(self) -> bool:
        """Whether it ends what stands in the driver's calendar.

        An unpaid booking was never confirmed, so nothing stands there; what a dispute is about, the no-show took back.
        """
        if self.delivery.kind not in _ENDING or self.facts["end_reason"] == EndReason.DISPUTE_WON:
            return False
        return self.delivery.payment_status is not PaymentStatus.NOT_PAID

    def at(self, name: str) -> str:
        """That instant as `18:30 CET`; empty where it has not come."""
        instant: datetime | None = self.facts[name]
        return "" if instant is None else time_words.time_with_zone(instant, self.zone, self.language)

    def url(self, path: str) -> str:
        """An address of ours."""
        return f"{self.frontend_url.rstrip('/')}/{path}"
