"""Templates and the files beside them: autoescaped, nothing loaded from elsewhere."""

import hashlib
import mimetypes
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, get
from litestar.params import FromPath

from slotwatch.domain.errors import NotFound
from slotwatch.web.headers import PAGE_POLICY

__all__ = ["page", "send_static_file"]

_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("slotwatch.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rfc3339"] = _rfc3339
    environment.filters["utc"] = _utc
    environment.globals["static"] = _static_url
    return environment


def page(
    template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> Response[str]:
    """The rendered template as an answer; its values are escaped."""
    return Response(
        _environment().get_template(template).render(**values),
        status_code=status,
        media_type="text/html",
        headers={"Content-Security-Policy": PAGE_POLICY, **(headers or {})},
    )


@get("/static/{name:str}", include_in_schema=False)
async def send_static_file(name: FromPath[str]) -> Response[bytes]:
    """GET /static/…: our own style sheet and scripts. Their address changes when they do, so they may be kept."""
    found = _static_file(name)
    if found is None:
        raise NotFound
    kind = _KINDS.get(name[name.rfind(".") :]) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(found, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})


@cache
def _static_files() -> dict[str, bytes]:
    folder = files("slotwatch.web") / "static"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


def _static_file(name: str) -> bytes | None:
    return _static_files().get(name)


@cache
def _static_url(name: str) -> str:
    return f"/static/{name}?{hashlib.sha256(_static_files()[name]).hexdigest()[:12]}"


def _rfc3339(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _utc(instant: datetime) -> str:
    return f"{instant:%d %b %Y, %H:%M:%S} UTC"
