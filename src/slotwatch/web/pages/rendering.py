"""Templates and the files beside them: autoescaped, nothing loaded from elsewhere."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.params import FromPath

from slotwatch.domain.errors import NotFound
from slotwatch.web.headers import PAGE_POLICY

__all__ = ["packed", "page", "send_push_worker", "send_static_file"]

_WORTH_PACKING = 4096
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


def packed(request: Request[Any, Any, State], answer: Response[str], *, unless: bool = False) -> Response[Any]:
    """The page compressed, where the browser takes that and it is large. `unless` the page repeats what somebody typed:
    its compressed length would tell a listener how much that resembles what else is on the page."""
    if unless or len(answer.content) < _WORTH_PACKING or "gzip" not in request.headers.get("accept-encoding", ""):
        return answer
    headers = {**answer.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    content = gzip.compress(answer.content.encode(), compresslevel=5, mtime=0)
    return Response(content, status_code=answer.status_code, media_type="text/html", headers=headers)


@get("/static/{name:str}", include_in_schema=False)
async def send_static_file(request: Request[Any, Any, State], name: FromPath[str]) -> Response[bytes]:
    """GET /static/…: style sheets and scripts. An address with a hash changes when they do, so they may be kept."""
    found = _static_files().get(name)
    if found is None:
        raise NotFound
    kind = _KINDS.get(name[name.rfind(".") :]) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    kept = "public, max-age=31536000, immutable" if request.scope["query_string"] else "no-cache"
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.raw, media_type=kind, headers=headers)


@get("/push-worker.js", include_in_schema=False)
async def send_push_worker() -> Response[bytes]:
    """GET /push-worker.js: stands at the root, since a worker serves the pages below its own place; never kept."""
    return Response(
        _static_files()["push-worker.js"].raw, media_type="text/javascript", headers={"Cache-Control": "no-cache"}
    )


@dataclass(frozen=True)
class _StaticFile:
    """A file that browsers load; `packed` by gzip where that is worth it."""

    raw: bytes
    packed: bytes | None


@cache
def _static_files() -> dict[str, _StaticFile]:
    folder = files("slotwatch.web") / "static"
    found = [entry for place in (folder, folder / "third_party") if place.is_dir() for entry in place.iterdir()]
    return {entry.name: _static_file(entry.read_bytes()) for entry in found if entry.is_file()}


def _static_file(raw: bytes) -> _StaticFile:
    packed = gzip.compress(raw, mtime=0)
    return _StaticFile(raw, packed if len(packed) < 0.9 * len(raw) else None)


@cache
def _static_url(name: str) -> str:
    found = _static_files().get(name)
    if found is None:
        raise RuntimeError(f"{name} is not among the static files: run `make setup`, which installs it from npm")
    return f"/static/{name}?{hashlib.sha256(found.raw).hexdigest()[:12]}"


def _rfc3339(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _utc(instant: datetime) -> str:
    return f"{instant:%d %b %Y, %H:%M:%S} UTC"
