"""The fixed list of values that a template may use, and how each is made from a delivery.

Foreign text is cleaned here; times are the station's, with the zone named; numbers are written as the language does.
The docstring of a value is its documentation: `templates/README.md` lists them, a test keeps the list true.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from slotwatch.domain.booking import DISPUTE_WINDOW
from slotwatch.domain.ids import booking_ref
from slotwatch.outbox import money_words, time_words, told_values
from slotwatch.outbox.foreign_text import person_name, visible
from slotwatch.outbox.telling import Telling

__all__ = ["LONGEST_ADDRESS", "LONGEST_CONNECTOR", "LONGEST_STATION", "VALUES", "Happening", "Telling"]

LONGEST_STATION, LONGEST_ADDRESS, LONGEST_CONNECTOR, _LONGEST_VENDOR = 80, 160, 12, 60


@dataclass(frozen=True)
class Happening:
    """One line of what happened: when and what."""

    time: str
    text: str


def name(t: Telling) -> str:
    """The name of who is told; may be empty."""
    return person_name(t.facts["driver_name"])


def station(t: Telling) -> str:
    """The station's name; may be empty where it is about no booking."""
    return visible(t.facts["station_name"] or t.told.get("station") or "", LONGEST_STATION)


def address(t: Telling) -> str:
    """The station's address in one line."""
    return visible(t.facts["address"], LONGEST_ADDRESS)


def connector(t: Telling) -> str:
    """The connector's label, such as 2A."""
    return visible(t.facts["label"], LONGEST_CONNECTOR)


def vendor(t: Telling) -> str:
    """Who owns the station; may be empty."""
    return visible(t.facts.get("vendor_name") or "", _LONGEST_VENDOR)


def booking(t: Telling) -> str:
    """The booking's number, BK-…; may be empty where it is about none."""
    known = t.facts["booking_id"]
    return visible(str(t.told.get("booking") or ""), 20) if known is None else booking_ref(known)


def lang(t: Telling) -> str:
    """The code of the language, such as de."""
    return t.language.code


def occasion(t: Telling) -> str:
    """Which grace_alert it is: half or last."""
    return t.delivery.occasion


def reason(t: Telling) -> str:
    """Why the booking ended, in one word for programs; may be empty."""
    return t.facts["end_reason"] or ""


def day(t: Telling) -> str:
    """The day of the slot: Monday, 2 March 2026."""
    return time_words.date(t.facts["starts_at"], t.zone, t.language)


def day_time(t: Telling) -> str:
    """Day and time of the slot in short: Mon 2 Mar, 18:00 CET."""
    return time_words.day_time(t.facts["starts_at"], t.zone, t.language)


def day_start(t: Telling) -> str:
    """The day and the time of the slot in the fewest words, without the zone: 2 Mar 18:00."""
    return time_words.day_start(t.facts["starts_at"], t.zone, t.language)


def hours(t: Telling) -> str:
    """From when to when, such as 18:00 to 19:00 with a dash between."""
    first, last = (time_words.clock_time(t.facts[key], t.zone, t.language) for key in ("starts_at", "ends_at"))
    return f"{first} \u2013 {last}"


def zone(t: Telling) -> str:
    """The station's time zone by name and offset."""
    return time_words.long_zone(t.facts["starts_at"], t.zone, t.language)


def start(t: Telling) -> str:
    """When the slot begins: 18:00 CET."""
    return t.at("starts_at")


def end(t: Telling) -> str:
    """When the slot is over."""
    return t.at("ends_at")


def opens(t: Telling) -> str:
    """From when on the driver can check in."""
    return t.at("check_in_opens_at")


def deadline(t: Telling) -> str:
    """Until when the driver can check in."""
    return t.at("grace_ends_at")


def checked_in(t: Telling) -> str:
    """When the driver checked in; may be empty."""
    return t.at("checked_in_at")


def expired(t: Telling) -> str:
    """When the slot was freed; may be empty."""
    return t.at("expired_at")


def ended(t: Telling) -> str:
    """When the booking was over; may be empty."""
    return t.at("ended_at")


def dispute_until(t: Telling) -> str:
    """The last day to dispute a no-show; may be empty."""
    instant: datetime | None = t.facts["expired_at"]
    return "" if instant is None else time_words.date(instant + DISPUTE_WINDOW, t.zone, t.language)


def grace(t: Telling) -> str:
    """How long the grace period is: 30 minutes."""
    return time_words.duration(t.delivery.terms.grace, t.language)


def minutes_left(t: Telling) -> str:
    """How long the driver can still check in, when the message is sent: 12 minutes."""
    return time_words.duration(t.facts["grace_ends_at"] - t.delivery.claimed_at, t.language)


def amount(t: Telling) -> str:
    """The price of the booking: €12.50."""
    return money_words.amount_words(t.delivery.amount, t.language)


def money(t: Telling) -> str:
    """One sentence about the money: paid, not refunded, comes back; may be empty."""
    if t.facts["booking_id"] is None:
        return ""
    return money_words.money_sentence(t.delivery, t.language)


def refunds(t: Telling) -> list[str]:
    """What a cancellation gives back, one line for each step of the terms."""
    return money_words.refund_lines(t.delivery.terms, t.language)


def happened(t: Telling) -> list[Happening]:
    """What happened until the slot was freed: lines with .time and .text."""
    say = t.language.gettext
    lines = [
        ("starts_at", say("Your slot began")),
        ("grace_ends_at", say("Your grace period ended without a check-in")),
        ("expired_at", say("The slot was freed for other drivers")),
    ]
    return [Happening(t.at(key), text) for key, text in lines if t.facts[key] is not None]


def link(t: Telling) -> str:
    """The page of the booking, or of what it is about."""
    if t.facts["booking_id"] is None:
        return t.url(str(t.told.get("link") or "").lstrip("/"))
    return t.url(f"bookings/{booking(t)}")


def check_in_link(t: Telling) -> str:
    """Where one tap checks in, without signing in: for who holds the message."""
    return t.url(f"b/{t.check_in_token}") if t.check_in_token else link(t)


def dispute_link(t: Telling) -> str:
    """Where a no-show is disputed."""
    return f"{link(t)}#dispute"


def rebook_link(t: Telling) -> str:
    """Where the same station can be booked again: a place on the booking's page."""
    return f"{link(t)}#again"


def map_link(t: Telling) -> str:
    """The station on OpenStreetMap; may be empty."""
    latitude, longitude = t.facts.get("latitude"), t.facts.get("longitude")
    if latitude is None or longitude is None:
        return ""
    return (
        f"https://www.openstreetmap.org/?mlat={latitude:.5f}&mlon={longitude:.5f}#map=17/{latitude:.5f}/{longitude:.5f}"
    )


def calendar_link(t: Telling) -> str:
    """The booking as a file for the driver's calendar; may be empty."""
    return t.url(f"notices/{t.token}/booking.ics") if t.token else ""


def taken_back(t: Telling) -> bool:
    """Whether this mail takes the confirmation's calendar entry back: for conditions."""
    return t.takes_back_entry


def countdown_image(t: Telling) -> str:
    """A picture of the time left whenever the mail is opened; may be empty."""
    return t.url(f"notices/{t.token}/countdown.png") if t.token else ""


VALUES: Mapping[str, Callable[[Telling], Any]] = MappingProxyType(
    {
        make.__name__: make
        for make in (
            *(name, station, address, connector, vendor, booking, lang, occasion, reason),
            *(
                day,
                day_time,
                day_start,
                hours,
                zone,
                start,
                end,
                opens,
                deadline,
                checked_in,
                expired,
                ended,
                dispute_until,
            ),
            *(grace, minutes_left, amount, money, refunds, happened),
            *(link, check_in_link, dispute_link, rebook_link, map_link, calendar_link, taken_back, countdown_image),
            *told_values.ALL,
        )
    }
)
"""By the name that templates use."""
