"""Shows every kind of message in every language with made-up bookings: for the page /inbox/preview and as files."""

import base64
import tempfile
import webbrowser
from dataclasses import dataclass
from html import escape
from pathlib import Path
from threading import Lock

import httpx

from slotwatch.domain.errors import NotFound
from slotwatch.domain.ids import parse_ref
from slotwatch.locale.catalogues import LANGUAGES, Language, language
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.countdown import countdown_of, draw_countdown
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.outbox.render import Renderer
from slotwatch.outbox.samples import samples
from slotwatch.outbox.sms_length import segments
from slotwatch.outbox.telling import Telling
from slotwatch.outbox.template_settings import TemplateSettings
from slotwatch.outbox.values import VALUES

__all__ = ["FreshRenderer", "Previewed", "previews", "run_preview", "write_previews"]

_FRONTEND = "https://charge.example"
_TOKENS = NoticeTokens(b"of the preview, so they open nothing")


@dataclass(frozen=True)
class Previewed:
    """One kind of message as every channel says it. The countdown picture stands in `html` itself."""

    number: int
    kind: str
    occasion: str
    subject: str
    html: str
    text: str
    sms: str
    sms_segments: int
    push: str


class FreshRenderer:
    """The renderer of the operator's wording as the files are now: built anew when one of them has changed."""

    def __init__(self, settings: TemplateSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._built: tuple[_Files, Renderer] | None = None

    def __call__(self) -> Renderer:
        """Raises TemplateFault with file and line of each fault."""
        with self._lock:  # a page and the mails in it come together
            files = _files(self._settings.folder)
            if self._built is None or self._built[0] != files:
                self._built = files, Renderer(self._settings)
            return self._built[1]


_Files = frozenset[tuple[Path, int, int]]


def _files(folder: Path | None) -> _Files:
    """What there is, when it was written and how large it is."""
    found = [] if folder is None else [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]
    return frozenset((path, stat.st_mtime_ns, stat.st_size) for path, stat in found)


def previews(
    renderer: Renderer, code: str, *, vendor: str | None = None, frontend_url: str = _FRONTEND
) -> list[Previewed]:
    """Every kind in that language (one of LANGUAGES), in the order of a booking's life.

    With `vendor` (one of the renderer's) in that vendor's own wording, else in everybody's.
    """
    vendor_id = None if vendor is None else parse_ref("VN", vendor)
    deliveries = enumerate(samples(code, vendor_id=vendor_id), start=1)
    return [_previewed(renderer, number, delivery, language(code), frontend_url) for number, delivery in deliveries]


def _previewed(renderer: Renderer, number: int, delivery: Claimed, spoken: Language, frontend_url: str) -> Previewed:
    booking_id = delivery.facts["booking_id"] or 0
    telling = Telling(
        delivery=delivery,
        language=spoken,
        frontend_url=frontend_url,
        token=_TOKENS.token(booking_id),
        check_in_token=_TOKENS.check_in_token(booking_id),  # as long as a real one, for the segments
    )
    sms = renderer.sms(telling)
    return Previewed(
        number=number,
        kind=delivery.kind.value,
        occasion=delivery.occasion,
        subject=renderer.subject(telling),
        html=_with_picture(renderer.html(telling), telling),
        text=renderer.text(telling),
        sms=sms,
        sms_segments=segments(sms),
        push=renderer.push(telling),
    )


def _with_picture(html: str, telling: Telling) -> str:
    delivery, facts = telling.delivery, telling.facts
    if delivery.state is None:
        return html
    shown = countdown_of(
        delivery.state, starts_at=facts["starts_at"], grace_ends_at=facts["grace_ends_at"], now=delivery.claimed_at
    )
    picture = "data:image/png;base64," + base64.b64encode(draw_countdown(shown)).decode()
    return html.replace(VALUES["countdown_image"](telling), picture)


def write_previews(renderer: Renderer, folder: Path, vendor: str | None = None) -> Path:
    """Write every message as files and a page that shows them all. The page."""
    parts = []
    for code in LANGUAGES:
        parts.append(f"<h1>{escape(language(code).name)}</h1>")
        for shown in previews(renderer, code, vendor=vendor):
            name = f"{code}-{shown.number:02}-{shown.kind}.html"
            (folder / name).write_text(shown.html, encoding="utf-8")
            heading = f"{shown.kind} {shown.occasion}".strip()
            parts.append(
                f"<section lang={code}><h2>{heading}: {escape(shown.subject)}</h2>"
                f"<iframe src={name} title={heading} loading=lazy></iframe><pre>{escape(shown.text)}</pre>"
                f"<p><b>SMS ({shown.sms_segments}):</b> {escape(shown.sms)}</p></section>"
            )
    page = folder / "index.html"
    style = "iframe{width:640px;height:1000px;border:1px solid #ccc}body{font:16px sans-serif}pre{white-space:pre-wrap}"
    page.write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{''.join(parts)}", encoding="utf-8")
    return page


def run_preview(templates: TemplateSettings, page: str, *, to: Path | None = None, vendor: str | None = None) -> str:
    """Open `page` in the browser when slotwatch answers there, else files in a new folder; with `to` only write them.

    Where it can be seen. Raises TemplateFault with file and line of each fault in the operator's own templates, and
    NotFound for a vendor without any.
    """
    renderer = Renderer(templates)
    if vendor is not None:
        if vendor not in renderer.vendors():
            raise NotFound(f"There is no wording of {vendor}'s own.")
        page += f"?vendor={vendor}"
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        return str(write_previews(renderer, to, vendor))
    if not _answers(page):
        page = write_previews(renderer, Path(tempfile.mkdtemp(prefix="slotwatch-preview-")), vendor).as_uri()
    webbrowser.open(page)
    return page


def _answers(page: str) -> bool:
    try:
        return httpx.get(page, timeout=2).is_success
    except httpx.HTTPError:
        return False
