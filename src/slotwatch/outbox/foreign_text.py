"""Text that strangers wrote, made fit for a message: one line, visible, not too long, no link where a name belongs."""

import re
import unicodedata

__all__ = ["cut", "person_name", "visible"]

_BREAKING = {"Cc", "Zl", "Zp", "Cs"}
_JOINERS = "\u200c\u200d"  # Devanagari needs them
_INVISIBLE = {"Cf", "Cn", "Co"}
_LINK = re.compile(r"://|www\.|\.\w{2,}/|@", re.IGNORECASE)


def visible(text: str, longest: int) -> str:
    """One line without control characters, direction marks and the like; too much of it is cut.

    >>> visible("Har\\r\\nbour\\u202e 1\\x07", 40)
    'Har bour 1'
    """
    text = text[: 8 * longest]
    if text.isprintable():  # nearly always
        return cut(" ".join(text.split()), longest)
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if category in _BREAKING:
            kept.append(" ")
        elif category not in _INVISIBLE or character in _JOINERS:
            kept.append(character)
    return cut(" ".join("".join(kept).split()), longest)


def person_name(text: str | None, longest: int = 40) -> str:
    """How to greet somebody; nothing where the name holds a link: our mail must not carry strangers' advertisements."""
    name = visible(text or "", longest)
    return "" if _LINK.search(name) else name


def cut(text: str, longest: int, mark: str = "…") -> str:
    """At most that many characters, never in the middle of a letter and its marks.

    >>> cut("Grand Central", 8), cut("काठमाडौँ", 8)
    ('Grand C…', 'काठमाडौँ')
    """
    if len(text) <= longest:
        return text
    end = max(longest - len(mark), 0)
    while end and (unicodedata.category(text[end])[0] == "M" or text[end] in _JOINERS or text[end - 1] in _JOINERS):
        end -= 1
    return text[:end].rstrip() + mark[:longest]
