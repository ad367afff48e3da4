"""Instants and durations in words: in the station's time zone, which is named, as the language writes them."""

from datetime import date as Day  # noqa: N812  # `date` is a function here
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.core import get_global
from babel.dates import format_date, format_skeleton, format_time, get_timezone_name

from slotwatch.locale.catalogues import Language

__all__ = [
    "calendar_day",
    "clock_time",
    "date",
    "day_start",
    "day_time",
    "digits",
    "duration",
    "long_zone",
    "short_day",
    "short_zone",
    "time_with_zone",
]

_DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")
_LONGEST_ABBREVIATION = 5
_SAID = {"Asia/Kathmandu": "NPT"}  # neither CLDR nor the zone database has the abbreviation that people use
# CLDR keeps the names that these cities had when it began.
_CLDR_NAMES = {
    "Asia/Kathmandu": "Asia/Katmandu",
    "Asia/Kolkata": "Asia/Calcutta",
    "Asia/Ho_Chi_Minh": "Asia/Saigon",
    "Asia/Yangon": "Asia/Rangoon",
    "Europe/Kyiv": "Europe/Kiev",
}


def digits(text: str, language: Language) -> str:
    """Nepali is written with its own digits; Hindi today mostly is not (CLDR says the same)."""
    return text.translate(_DEVANAGARI) if language.code == "ne" else text


@lru_cache(2048)
def clock_time(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """`18:30`."""
    return digits(format_time(instant, "short", tzinfo=zone, locale=language.locale).replace("\u202f", " "), language)


def time_with_zone(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """`18:30 CET`."""
    return f"{clock_time(instant, zone, language)} {short_zone(instant, zone, language)}"


@lru_cache(2048)
def date(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """`Monday, 2 March 2026`."""
    return digits(format_date(instant.astimezone(zone), "full", locale=language.locale), language)


@lru_cache(512)
def calendar_day(day: Day, language: Language) -> str:
    """A whole day, as `date` writes one."""
    return digits(format_date(day, "full", locale=language.locale), language)


@lru_cache(2048)
def day_time(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """`Mon 2 Mar, 18:30 CET`."""
    day = format_skeleton("MMMEd", instant.astimezone(zone), locale=language.locale)
    return f"{digits(day, language)}, {time_with_zone(instant, zone, language)}"


@lru_cache(2048)
def short_day(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """`Mon 2 Mar`."""
    return digits(format_skeleton("MMMEd", instant.astimezone(zone), locale=language.locale), language)


@lru_cache(2048)
def day_start(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """`2 Mar 18:00`."""
    day = format_skeleton("MMMd", instant.astimezone(zone), locale=language.locale)
    return f"{digits(day, language)} {clock_time(instant, zone, language)}"


@lru_cache(1024)
def short_zone(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """`CET`, `MEZ`, or `UTC+5:45` where nobody uses an abbreviation."""
    local = instant.astimezone(zone)
    if zone.key in _SAID:
        return _SAID[zone.key]
    for name in (get_timezone_name(local, "short", locale=language.locale), local.tzname() or ""):
        if name.isalpha() and name.isascii() and len(name) <= _LONGEST_ABBREVIATION:
            return "UTC" if name in ("TU", "Z") else name
    return _offset(local)


@lru_cache(1024)
def long_zone(instant: datetime, zone: ZoneInfo, language: Language) -> str:
    """`Central European Standard Time (UTC+1)`; the offset alone where the language has no name for it."""
    local = instant.astimezone(zone)
    meta = get_global("meta_zones").get(_CLDR_NAMES.get(zone.key, zone.key))
    names = language.locale.meta_zones.get(meta, {}).get("long", {}) if meta else {}
    name = names.get("daylight" if local.dst() else "standard") or names.get("generic")
    return (
        f"{name} ({_offset(local)})" if name else f"{zone.key.rpartition('/')[2].replace('_', ' ')} ({_offset(local)})"
    )


def duration(span: timedelta, language: Language) -> str:
    """`12 minutes`, `24 hours`, `1 day`: whole units only where nothing is lost; at least a minute."""
    minutes = max(round(span.total_seconds() / 60), 1)
    if minutes % (48 * 60) == 0:
        count = minutes // (24 * 60)
        text = language.ngettext("%(count)s day", "%(count)s days", count)
    elif minutes % 60 == 0:
        count = minutes // 60
        text = language.ngettext("%(count)s hour", "%(count)s hours", count)
    else:
        count = minutes
        text = language.ngettext("%(count)s minute", "%(count)s minutes", count)
    return text % {"count": digits(str(count), language)}


def _offset(local: datetime) -> str:
    minutes = round((local.utcoffset() or timedelta(0)).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")
