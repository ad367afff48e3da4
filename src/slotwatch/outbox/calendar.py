"""The booking as an entry for calendars (RFC 5545, 5546): one UID for its whole life, a SEQUENCE that only rises."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Event, vCalAddress, vGeo, vText

from slotwatch.channels.channel import CalendarMethod, CalendarPart
from slotwatch.domain.ids import booking_ref
from slotwatch.domain.notices import NoticeKind
from slotwatch.locale.catalogues import Language
from slotwatch.outbox.foreign_text import visible
from slotwatch.outbox.telling import Telling
from slotwatch.outbox.time_words import time_with_zone
from slotwatch.outbox.values import LONGEST_ADDRESS, LONGEST_CONNECTOR, LONGEST_STATION, VALUES

__all__ = ["Entry", "calendar_file", "calendar_part", "entry_of"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a calendar shows. Instants are UTC; `zone` is the station's; `sequence` is the booking's version."""

    booking: str
    sequence: int
    stamp: datetime
    starts_at: datetime
    ends_at: datetime
    opens_at: datetime
    zone: ZoneInfo
    station: str
    connector: str
    address: str
    place: tuple[float, float] | None
    deadline: str
    link: str
    language: Language


def calendar_part(telling: Telling, *, organizer: str, attendee: str) -> CalendarPart | None:
    """What goes with this mail: the entry with a confirmation, its end with what ends the booking, else nothing."""
    if telling.takes_back_entry:
        method: CalendarMethod = "CANCEL"
    elif telling.delivery.kind is NoticeKind.BOOKING_CONFIRMED:
        method = "REQUEST"
    else:
        return None
    stamp, link = telling.delivery.claimed_at, VALUES["link"](telling)
    entry = entry_of(telling.facts, telling.language, link=link, stamp=stamp)
    return CalendarPart(
        method, calendar_file(entry, method, organizer=organizer or _organizer(entry), attendee=attendee)
    )


def entry_of(facts: Mapping[str, Any], spoken: Language, *, link: str, stamp: datetime) -> Entry:
    """The entry of a booking by the facts that the claim statement names, as true as it was at `stamp` (UTC)."""
    zone, latitude, longitude = ZoneInfo(facts["zone"]), facts.get("latitude"), facts.get("longitude")
    return Entry(
        booking=booking_ref(facts["booking_id"]),
        sequence=facts.get("version") or 0,
        stamp=stamp,
        starts_at=facts["starts_at"],
        ends_at=facts["ends_at"],
        opens_at=facts["check_in_opens_at"],
        zone=zone,
        station=visible(facts["station_name"], LONGEST_STATION),
        connector=visible(facts["label"], LONGEST_CONNECTOR),
        address=visible(facts["address"], LONGEST_ADDRESS),
        place=None if latitude is None or longitude is None else (latitude, longitude),
        deadline=time_with_zone(facts["grace_ends_at"], zone, spoken),
        link=link,
        language=spoken,
    )


def calendar_file(entry: Entry, method: CalendarMethod, *, organizer: str = "", attendee: str = "") -> str:
    """The iCalendar text, lines ended by CRLF. `attendee` is for REQUEST and CANCEL; a published file has none."""
    calendar = Calendar()
    calendar.add("prodid", "-//slotwatch//slotwatch//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(_event(entry, method, organizer or _organizer(entry), attendee))
    text: str = calendar.to_ical().decode()
    if f"TZID={entry.zone.key}" not in text:  # UTC needs no description
        return text
    zone = _time_zone(entry.zone, entry.starts_at.year)
    return text.replace("BEGIN:VEVENT", zone + "BEGIN:VEVENT", 1)


def _event(entry: Entry, method: CalendarMethod, organizer: str, attendee: str) -> Event:
    say = entry.language.gettext
    event = Event()
    event.add("uid", f"{entry.booking}@slotwatch")
    event.add("sequence", entry.sequence)
    event.add("dtstamp", entry.stamp.astimezone(UTC))
    event.add("dtstart", entry.starts_at.astimezone(entry.zone))
    event.add("dtend", entry.ends_at.astimezone(entry.zone))
    event.add("summary", say("Charging: %(station)s, %(connector)s") % vars(entry))
    event.add("location", f"{entry.station}, {entry.address}")
    event.add("url", entry.link)
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    event["organizer"] = vCalAddress(f"mailto:{organizer}")
    if entry.place is not None:
        event["geo"] = vGeo(entry.place)
    if attendee and method != "PUBLISH":
        event["attendee"] = _attending(attendee)
    if method != "CANCEL":
        rule = say("If nobody has checked in by %(deadline)s, the slot goes to other drivers and nothing is refunded.")
        event.add("description", f"{rule % vars(entry)}\n\n{entry.link}")
        event.add_component(_alarm(entry))
    return event


def _attending(address: str) -> vCalAddress:
    attendee = vCalAddress(f"mailto:{address}")
    attendee.params["PARTSTAT"] = vText("ACCEPTED")
    attendee.params["RSVP"] = vText("FALSE")
    return attendee


def _alarm(entry: Entry) -> Alarm:
    """Rings when the check-in window opens."""
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", entry.language.gettext("Check in by %(deadline)s") % vars(entry))
    alarm.add("trigger", entry.opens_at - entry.starts_at)
    return alarm


@lru_cache(512)
def _time_zone(zone: ZoneInfo, year: int) -> str:
    """VTIMEZONE with the changes around that year; the same for every booking of the zone.

    By hand: icalendar 7.3 writes the start of summer time in the new offset, where RFC 5545 (3.6.5) wants the old one.
    """
    first = datetime(year - 1, 1, 1, tzinfo=UTC)
    changes = [first, *_changes(zone, first, datetime(year + 2, 1, 1, tzinfo=UTC))]
    lines = ["BEGIN:VTIMEZONE", f"TZID:{zone.key}"]
    for at in changes:
        before, after = (at - timedelta(seconds=1)).astimezone(zone), at.astimezone(zone)
        kind = "DAYLIGHT" if after.dst() else "STANDARD"
        onset = at + (before.utcoffset() or timedelta(0))
        lines += [
            f"BEGIN:{kind}",
            f"DTSTART:{onset:%Y%m%dT%H%M%S}",
            f"TZOFFSETFROM:{before:%z}",
            f"TZOFFSETTO:{after:%z}",
            f"TZNAME:{after:%Z}",
            f"END:{kind}",
        ]
    return "".join(f"{line}\r\n" for line in [*lines, "END:VTIMEZONE"])


def _changes(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """The instants (UTC, to the second) at which the zone's clocks change."""
    day = timedelta(days=1)
    while first < last:
        low, high = first, first + day
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high
        first += day


def _organizer(entry: Entry) -> str:
    """Where no sender is configured: an address at our own site that nobody reads."""
    host = urlsplit(entry.link).hostname or ""
    return f"no-reply@{host}" if "." in host and not host[-1].isdigit() else "no-reply@slotwatch.invalid"
