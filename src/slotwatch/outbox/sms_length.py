"""How long a text message is on the wire, and how to keep it within two segments."""

import unicodedata
from collections.abc import Callable, Mapping

from slotwatch.outbox.foreign_text import cut

__all__ = ["MOST_SEGMENTS", "fit", "fold_to_gsm", "segments"]

MOST_SEGMENTS = 2

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and the character: two places
_SAME_IN_GSM = {
    **dict.fromkeys(map(ord, "\u2019\u2018"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u00ab\u00bb"), '"'),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2013\u2014\u2212\u00b7"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u202f\u2009"), " "),
    ord("\u2026"): "...",
}
_SHORTEST_STATION = 8
# What goes first: which values, and how short the station's name may get; under four characters it says nothing.
_ROUNDS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (_SHORTEST_STATION, ()),
    (_SHORTEST_STATION, ("money",)),
    (0, ("money",)),
    (_SHORTEST_STATION, ("money", "link", "check_in_link")),
)


def segments(text: str) -> int:
    """How many segments the networks charge for: 160/153 places in GSM-7, 70/67 UTF-16 units in anything else.

    >>> segments("a" * 160), segments("a" * 161), segments("€" * 80 + "a"), segments("अ" * 70), segments("अ" * 71)
    (1, 2, 2, 1, 2)
    """
    used = set(text)
    if used <= _GSM:
        return 1 if len(text) <= 160 else -(-len(text) // 153)
    if used <= _GSM | _GSM_EXTENDED:
        return _packed([2 if character in _GSM_EXTENDED else 1 for character in text], 160, 153)
    return _packed([2 if ord(character) > 0xFFFF else 1 for character in text], 70, 67)


def _packed(sizes: list[int], single: int, part: int) -> int:
    """A character of two places is never torn apart, so a segment may end one place early."""
    if sum(sizes) <= single:
        return 1
    count, room = 1, part
    for size in sizes:
        if size > room:
            count, room = count + 1, part
        room -= size
    return count


def fold_to_gsm(text: str) -> str | None:
    """The text in GSM-7 without its rarer accents (`á` becomes `a`), or None where letters would be lost."""
    folded = []
    for character in text.translate(_SAME_IN_GSM):
        if character in _GSM or character in _GSM_EXTENDED:
            folded.append(character)
            continue
        base = unicodedata.normalize("NFD", character)[0]
        if base not in _GSM:
            return None
        folded.append(base)
    return "".join(folded)


def fit(write: Callable[[Mapping[str, str]], str], values: Mapping[str, str]) -> str:
    """The text that `write` makes of the values, in at most two segments.

    In this order, only as far as needed: typographic quotes and spaces become plain ones; rarer accents go; the
    station's name is shortened; the sentence about money goes; the name goes; the link goes. Deadline and rule stay.
    """
    for shortest, without in _ROUNDS:
        station = values["station"]
        given = {**values, **dict.fromkeys(without, "")}
        while True:
            text = _shortest_form(write({**given, "station": station}))
            if segments(text) <= MOST_SEGMENTS:
                return text
            if len(station) <= shortest:
                break
            room = max(shortest, len(station) - 1 - len(station) // 12)
            station = cut(station, room, ".") if room > 3 else ""
    while segments(text) > MOST_SEGMENTS:  # a vendor's own wording, too long in itself
        text = cut(text, len(text) * 15 // 16, ".")
    return text


def _shortest_form(text: str) -> str:
    """As written if it fits; else without typographic niceties; else without rarer accents, where that helps."""
    tidy = " ".join(text.split())
    plain = tidy.translate(_SAME_IN_GSM)
    if segments(plain) <= segments(tidy):
        tidy = plain
    if segments(tidy) <= MOST_SEGMENTS:
        return tidy
    return fold_to_gsm(tidy) or tidy
