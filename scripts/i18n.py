"""Checks that every word of our messages is translated, or writes new ones into the catalogues.

Usage: `make i18n` checks; `make i18n ARGS=update` first brings the catalogues (src/slotwatch/locale/*.po) to what
templates and code say, new messages empty. English has no catalogue: the messages themselves are English.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from slotwatch.locale.catalogues import DEFAULT, FOLDER, LANGUAGES, read_catalogue

OUTBOX, DOMAIN = FOLDER.parent / "outbox", FOLDER.parent / "domain"
_SOURCES = [("templates/**.mjml", "jinja2"), ("templates/**.txt", "jinja2"), ("**.py", "python")]
_KEYWORDS = {"gettext": None, "ngettext": (1, 2), "say": None}
_PLACE = re.compile(r"%\((\w+)\)s")
_STRAY_PERCENT = re.compile(r"%(?!\(\w+\)s|%)")


def wanted() -> Catalog:
    """Every message that templates and code use."""
    catalogue = Catalog(project="slotwatch", fuzzy=False)
    options = {pattern: {"trimmed": "true", "newstyle_gettext": "true"} for pattern, _ in _SOURCES[:2]}
    for folder, sources in ((OUTBOX, _SOURCES), (DOMAIN, [("alerts.py", "python")])):
        found = extract_from_dir(folder, sources, options, keywords=_KEYWORDS, comment_tags=())
        for file, _line, message, _comments, _context in found:
            catalogue.add(message, locations=[(Path(file).as_posix(), 0)])
    return catalogue


def faults(code: str, source: Catalog) -> Iterator[str]:
    """What is missing or wrong in one language, each as a sentence."""
    catalogue = read_catalogue(code)
    for message in source:
        if not message.id:
            continue
        found = catalogue.get(message.id if isinstance(message.id, str) else message.id[0])
        if found is None or found.fuzzy or not all(_forms(found.string)):
            yield f"{code}.po: not translated: {_forms(message.id)[0]!r}"
        else:
            yield from (f"{code}.po: {fault} in {_forms(found.string)[0]!r}" for fault in _wrong(message, found))
    known = {_forms(message.id)[0] for message in source}
    yield from (
        f"{code}.po: nobody says {_forms(m.id)[0]!r} any more" for m in catalogue if _forms(m.id)[0] not in known
    )


def _wrong(message: Message, found: Message) -> Iterator[str]:
    places = {place for form in _forms(message.id) for place in _PLACE.findall(form)}
    for form in _forms(found.string):
        if set(_PLACE.findall(form)) != places:
            yield f"the values should be {sorted(places)}"
        if _STRAY_PERCENT.search(form):
            yield "a % by itself must be written %%"
        if re.search(r"[<>&{}\x00-\x1f]", form):
            yield "markup or a control character"


def _forms(text: object) -> tuple[str, ...]:
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text),)


def update(source: Catalog) -> None:
    """Write every catalogue anew: known translations stay, new messages are empty, unused ones go."""
    for code in LANGUAGES:
        if code == DEFAULT:
            continue
        old = read_catalogue(code) if (FOLDER / f"{code}.po").exists() else Catalog(locale=code)
        new = Catalog(locale=code, header_comment=f"# What slotwatch says, in {code}.", fuzzy=False)
        for message in source:
            if message.id:
                known = old.get(_forms(message.id)[0])
                new.add(message.id, known.string if known else "", locations=message.locations)
        with (FOLDER / f"{code}.po").open("wb") as file:
            write_po(file, new, width=120, sort_output=True, omit_header=False, include_lineno=False)
        _make_stable(FOLDER / f"{code}.po")


def _make_stable(path: Path) -> None:
    """Leave out dates and names of people and tools, which would change without meaning."""
    kept = ("Language:", "MIME-Version:", "Content-Type:", "Content-Transfer-Encoding:", "Plural-Forms:")
    header = re.compile(r'^"([A-Z][\w-]+:).*\n', re.MULTILINE)
    text = path.read_text(encoding="utf-8")
    head, gap, rest = text.partition("\n\n")
    head = header.sub(lambda line: line.group() if line.group(1) in kept else "", head + "\n")
    path.write_text(head.rstrip("\n") + gap + rest, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """1 when something is missing."""
    source = wanted()
    if arguments == ["update"]:
        update(source)
    found = [fault for code in LANGUAGES if code != DEFAULT for fault in faults(code, source)]
    print("\n".join(found) or f"{len(source)} messages, complete in {', '.join(LANGUAGES)}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
