"""What staff and operators are alerted to: the kinds, from where on, and what an alert says."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from slotwatch.domain.errors import InvalidInput

__all__ = ["VENDOR_KINDS", "AlertKind", "AlertRules", "alert_text", "alert_title"]


class AlertKind(StrEnum):
    """One kind of trouble. Each is raised once, and resolved by itself when it is over."""

    HIGH_NO_SHOW_RATE = "high_no_show_rate"  # at a station: surely above what is usual for the vendor
    NO_CHECK_INS = "no_check_ins"  # at a station: booked, and nobody checks in; a broken reader or gate?
    DELIVERY_FAILURES = "delivery_failures"  # on a channel: the vendor's, or a provider's of the whole house
    SPEND_CAP = "spend_cap"  # messages of the day cost as much as they may: the vendor's, or the house's codes
    OUTAGE = "outage"  # slotwatch itself was not usable
    ENGINE_LATE = "engine_late"  # bookings are moved late
    COMPONENT_SILENT = "component_silent"  # no process of a part is alive
    SET_ASIDE = "set_aside"  # bookings that could not be moved


VENDOR_KINDS = (
    AlertKind.HIGH_NO_SHOW_RATE,
    AlertKind.NO_CHECK_INS,
    AlertKind.DELIVERY_FAILURES,
    AlertKind.SPEND_CAP,
    AlertKind.OUTAGE,
)
"""Those that a vendor can get; operators get OUTAGE, DELIVERY_FAILURES, SPEND_CAP and the rest."""

_LIMITS = {
    "no_show_days": (1, 60),
    "no_show_bookings": (5, 1000),
    "no_show_floor_percent": (0, 100),
    "silent_bookings": (3, 100),
    "failure_percent": (1, 100),
    "failure_messages": (5, 100_000),
}
_NAMES = {
    "no_show_days": "noShowDays",
    "no_show_bookings": "noShowBookings",
    "no_show_floor_percent": "noShowFloorPercent",
    "silent_bookings": "silentBookings",
    "failure_percent": "failurePercent",
    "failure_messages": "failureMessages",
}


@dataclass(frozen=True, kw_only=True)
class AlertRules:
    """From where on a vendor is alerted.

    `no_show_*`: a station's rate over so many days, with at least so many bookings, is surely above what is usual, and
    above the floor. `silent_bookings`: so many bookings in a row without a check-in. `failure_*`: so many percent of at
    least so many messages failed. `off`: the kinds that are not wanted.
    """

    no_show_days: int = 14
    no_show_bookings: int = 20
    no_show_floor_percent: int = 10
    silent_bookings: int = 6
    failure_percent: int = 20
    failure_messages: int = 20
    off: tuple[AlertKind, ...] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InvalidInput(f"{_NAMES[name]} must be between {low} and {high}, not {value}.")

    def as_dict(self) -> dict[str, Any]:
        """As it is stored and shown.

        >>> AlertRules().as_dict()["noShowDays"]
        14
        """
        values = asdict(self)
        return {**{_NAMES[name]: values[name] for name in _LIMITS}, "off": [kind.value for kind in self.off]}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "AlertRules":
        """The rules of their stored form; what is missing is as the house has it. Raises InvalidInput."""
        values = {name: stored[key] for name, key in _NAMES.items() if key in stored}
        try:
            off = tuple(AlertKind(kind) for kind in stored.get("off", ()))
        except (ValueError, TypeError) as error:
            raise InvalidInput("There is no such kind of alert.") from error
        if not set(off) <= set(VENDOR_KINDS):
            raise InvalidInput("Only kinds of alert that a vendor can get can be switched off.")
        return cls(**values, off=off)


Say = Callable[[str], str]
"""Puts a sentence into another language."""


def _as_it_is(sentence: str) -> str:
    return sentence


def alert_title(kind: AlertKind, subject: str, station: str | None, say: Say = _as_it_is) -> str:
    """The alert in a few words; `say` translates."""
    place = {"place": station or subject}
    match kind:
        case AlertKind.HIGH_NO_SHOW_RATE:
            return say("Many no-shows at %(place)s") % place
        case AlertKind.NO_CHECK_INS:
            return say("Nobody checks in at %(place)s") % place
        case AlertKind.DELIVERY_FAILURES:
            return say("Messages fail: %(channel)s") % {"channel": _channel(subject)}
        case AlertKind.SPEND_CAP:
            return say("The day's messages have reached their cap")
        case AlertKind.OUTAGE:
            return say("slotwatch was not available")
        case AlertKind.ENGINE_LATE:
            return say("The engine is late")
        case AlertKind.COMPONENT_SILENT:
            return say("No engine is alive") if subject == "engine" else say("Nobody answers HTTP")
        case AlertKind.SET_ASIDE:
            return say("Bookings could not be moved")


def _percent(percent: int) -> str:
    return f"{percent}%"


def alert_text(
    kind: AlertKind, detail: Mapping[str, Any], say: Say = _as_it_is, percent: Callable[[int], str] = _percent
) -> str:
    """What was found, in a sentence or two, with the numbers of when it was raised; `say` translates, `percent` writes
    a percentage."""

    def share(rate: float) -> str:
        return percent(round(100 * rate))

    shown: dict[str, Callable[[Any], str]] = {**_SHOWN, "rate": share, "usual": share}
    values = {name: shown.get(name, str)(value) for name, value in detail.items()}
    match kind:
        case AlertKind.HIGH_NO_SHOW_RATE:
            sentence = say(
                "%(missed)s of the %(of)s bookings of the last %(days)s days were no-shows (%(rate)s)."
                " Usual at your stations: %(usual)s."
            )
        case AlertKind.NO_CHECK_INS:
            sentence = say(
                "The last %(bookings)s bookings ended as no-shows, one after the other. Can drivers reach the bays?"
                " Is the code readable, is the charger in order?"
            )
        case AlertKind.DELIVERY_FAILURES:
            sentence = say(
                "%(failed)s of %(of)s messages could not be delivered (%(rate)s)."
                " Drivers who cannot be told do not lose their money."
            )
        case AlertKind.SPEND_CAP:
            sentence = _cap_sentence(detail, say)
        case AlertKind.OUTAGE:
            sentence = say(
                "From %(began_at)s to %(ended_at)s. Drivers got the time back, and nobody lost money for it."
            )
        case AlertKind.ENGINE_LATE:
            sentence = say("The oldest step has been due for %(seconds)s s. Start more workers or see to the database.")
        case AlertKind.COMPONENT_SILENT:
            sentence = say("The last sign of life was at %(beat_at)s. Drivers get the time back.")
        case AlertKind.SET_ASIDE:
            sentence = say("%(bookings)s of them wait to be looked at and put back.")
    return sentence % values


def _cap_sentence(detail: Mapping[str, Any], say: Say) -> str:
    if "codes" in detail:
        return say(
            "%(codes)s codes to sign in went out by SMS within %(hours)s hours, which is the most."
            " By e-mail they still do."
        )
    return say("Spent today: %(spent)s of %(cap)s. Urgent messages still go out.")


def _channel(subject: str) -> str:
    channel, _, provider = subject.partition("/")
    said = {"email": "e-mail", "sms": "SMS", "whatsapp": "WhatsApp"}.get(channel, channel)
    return f"{said} ({provider})" if provider else said


def _at(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _major(minor: float) -> str:
    return f"{minor / 100:.2f}"


_SHOWN: Mapping[str, Callable[[Any], str]] = {
    **dict.fromkeys(("spent", "cap"), _major),
    **dict.fromkeys(("began_at", "ended_at", "beat_at"), _at),
}
"""How details are written; all others are numbers as they are."""
