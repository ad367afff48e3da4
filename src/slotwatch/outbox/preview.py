"""Shows every kind of message in every language with made-up bookings: for the page /inbox/preview and as files."""

import base64
import tempfile
import webbrowser
from dataclasses import dataclass
from html import escape
from pathlib import Path

import httpx

from slotwatch.locale.catalogues import LANGUAGES, language
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.countdown import countdown_of, draw_countdown
from slotwatch.outbox.notice_tokens import NoticeTokens
from slotwatch.outbox.render import Renderer
from slotwatch.outbox.samples import samples
from slotwatch.outbox.sms_length import segments
from slotwatch.outbox.telling import Telling
from slotwatch.outbox.template_settings import TemplateSettings
from slotwatch.outbox.values import VALUES

__all__ = ["Previewed", "previews", "run_preview", "write_previews"]

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


def previews(renderer: Renderer, code: str) -> list[Previewed]:
    """Every kind in that language (one of LANGUAGES), in the order of a booking's life."""
    return [_previewed(renderer, code, number, delivery) for number, delivery in enumerate(samples(code), start=1)]


def _previewed(renderer: Renderer, code: str, number: int, delivery: Claimed) -> Previewed:
    booking_id = delivery.facts["booking_id"] or 0
    telling = Telling(
        delivery=delivery,
        language=language(code),
        frontend_url=_FRONTEND,
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


def write_previews(renderer: Renderer, folder: Path) -> Path:
    """Write every message as files and a page that shows them all. The page."""
    parts = []
    for code in LANGUAGES:
        parts.append(f"<h1>{escape(language(code).name)}</h1>")
        for shown in previews(renderer, code):
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


def run_preview(templates: TemplateSettings, page: str, *, to: Path | None = None) -> str:
    """Open `page` in the browser when slotwatch answers there, else files in a new folder; with `to` only write them.

    Where it can be seen. Raises TemplateFault with file and line of each fault in the operator's own templates.
    """
    renderer = Renderer(templates)
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        return str(write_previews(renderer, to))
    if not _answers(page):
        page = write_previews(renderer, Path(tempfile.mkdtemp(prefix="slotwatch-preview-"))).as_uri()
    webbrowser.open(page)
    return page


def _answers(page: str) -> bool:
    try:
        return httpx.get(page, timeout=2).is_success
    except httpx.HTTPError:
        return False
