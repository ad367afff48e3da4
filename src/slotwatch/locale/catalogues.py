"""Languages and their words. The .po files themselves are read once at start.

There are no .mo files: a committed one would be a second truth that goes stale, and one compiled at setup would have to
be compiled again after every edit. Reading a .po of 130 messages takes some milliseconds, once a process.
"""

import gettext
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

__all__ = ["DEFAULT", "FOLDER", "LANGUAGES", "Language", "best_language", "language", "read_catalogue"]

DEFAULT = "en"
FOLDER = Path(__file__).parent
_NAMES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français", "hi": "हिन्दी", "ne": "नेपाली"}
_LOCALES = {"en": "en_GB"}  # 24 hours and day before month: understood by all who read English, wherever they charge

LANGUAGES = tuple(_NAMES)
"""Their codes (ISO 639-1), English first."""


@dataclass(frozen=True, eq=False)
class Language:
    """One language: its words and its ways to write numbers and times. There is one of each, so it is its own key."""

    code: str
    name: str
    locale: Locale
    messages: Mapping[str, tuple[str, ...]]
    plural: Callable[[int], int]

    def gettext(self, message: str) -> str:
        """The message in this language; in English where it is not translated."""
        found = self.messages.get(message)
        return found[0] if found else message

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The form of the message that fits the count."""
        found = self.messages.get(one)
        if not found:
            return one if count == 1 else many
        return found[min(self.plural(count), len(found) - 1)]


@lru_cache
def language(code: str) -> Language:
    """One of LANGUAGES, by its code. Raises KeyError for any other."""
    name = _NAMES[code]
    locale = Locale.parse(_LOCALES.get(code, code))
    if code == DEFAULT:
        return Language(code, name, locale, {}, lambda count: int(count != 1))
    catalogue = read_catalogue(code)
    plural: Callable[[int], int] = gettext.c2py(catalogue.plural_expr)
    return Language(code, name, locale, _translated(catalogue), plural)


def best_language(*wishes: object) -> Language:
    """The first wish that we speak (`de-AT` is German to us), else English. Wishes may be anything that was stored."""
    for wish in wishes:
        code = wish.replace("_", "-").partition("-")[0].lower() if isinstance(wish, str) else ""
        if code in _NAMES:
            return language(code)
    return language(DEFAULT)


def read_catalogue(code: str) -> Catalog:
    """The committed catalogue of a language."""
    with (FOLDER / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


def _translated(catalogue: Catalog) -> dict[str, tuple[str, ...]]:
    """Every finished message; a fuzzy or empty one stays English rather than wrong."""
    found = {}
    for message in catalogue:
        key = message.id[0] if isinstance(message.id, tuple | list) else message.id
        forms = tuple(message.string) if isinstance(message.string, tuple | list) else (message.string,)
        if key and not message.fuzzy and all(forms):
            found[str(key)] = tuple(str(form) for form in forms)
    return found
