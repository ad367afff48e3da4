"""How requests are read and answers written: strictly by their declared shapes, and what each operation declares."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeVar, cast

import msgspec
from litestar import Request, Response
from litestar.datastructures import State

from slotwatch.domain.errors import SlotwatchError
from slotwatch.web.auth import Caller
from slotwatch.web.problems import FieldError, FieldsRefused, MalformedRequest, UnsupportedMediaType

__all__ = [
    "ApiRequest",
    "Cursor",
    "Instant",
    "Line",
    "Operation",
    "Paging",
    "RowId",
    "Text",
    "as_declared",
    "cursor_of",
    "declared",
    "field_error",
    "in_utc",
    "read_body",
    "read_cursor",
    "read_query",
    "reply",
]

ApiRequest = Request[Caller, Any, State]

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An instant with its UTC offset; a local time without one is refused."""
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]

RowId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number that a row of ours could have."""

_T = TypeVar("_T")
_AT = re.compile(r"(?P<message>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_NAMED = re.compile(r"(?:missing required field|contains unknown field) `(?P<name>[^`]*)`")
_NUMBER = re.compile(r"[+-]?[\d.]+\Z")
_LAST_YEAR = 2999  # room for adding a slot's length and a zone's offset to any instant


@dataclass(frozen=True)
class Operation:
    """What one operation takes and answers, for the OpenAPI document. `errors` beyond those every call can give."""

    summary: str
    answer: Any
    tag: str
    status: int = 200
    body: type[msgspec.Struct] | None = None
    body_required: bool = True
    query: type[msgspec.Struct] | None = None
    errors: Sequence[type[SlotwatchError]] = ()
    is_public: bool = False
    media_type: str = "application/json"
    description: str = ""


def declared(operation: Operation) -> dict[str, Operation]:
    """The declaration as a handler's `opt`."""
    return {"operation": operation}


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """What an operation takes that declares no query, or no body."""


Hook = Callable[[Request[Any, Any, Any]], Awaitable[None]]
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


def as_declared(let_in: Hook) -> Hook:
    """A `before_request` hook: `let_in`, then a refusal of query and body where the operation declares none."""

    async def look(request: Request[Any, Any, Any]) -> None:
        await let_in(request)
        operation: Operation | None = request.route_handler.opt.get("operation")
        if operation is None:
            return
        if operation.query is None:
            read_query(request, Nothing)
        if operation.body is None and request.method not in _WITHOUT_BODY:
            await read_body(request, Nothing, required=False)

    return look


class Paging(msgspec.Struct, forbid_unknown_fields=True):
    """Which part of a list is wanted."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, msgspec.Meta(max_length=500)] | None = None


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(shape: type[_T]) -> msgspec.json.Decoder[_T]:
    if shape not in _DECODERS:
        _DECODERS[shape] = msgspec.json.Decoder(shape)
    return _DECODERS[shape]


async def read_body(request: Request[Any, Any, State], shape: type[_T], *, required: bool = True) -> _T:
    """The JSON body as that shape; an empty one counts as `{}` where it is not required.

    Raises UnsupportedMediaType, MalformedRequest or FieldsRefused.
    """
    raw = await request.body()
    if raw or required:
        _check_json(request.headers.get("content-type", ""))
    try:
        return _decoder(shape).decode(raw or (b"" if required else b"{}"))
    except msgspec.ValidationError as error:
        raise FieldsRefused(field_error(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest("The body is not JSON.") from error


def read_query(request: Request[Any, Any, State], shape: type[_T]) -> _T:
    """The query parameters as that shape; an empty one counts as not given. Raises FieldsRefused."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise FieldsRefused(FieldError(name, "given more than once"))
        if value:
            given[name] = value
    try:
        for name in _instants_of(cast(Hashable, shape)) & given.keys():
            if _NUMBER.match(given[name]):
                raise FieldsRefused(FieldError(name, "an instant is needed, such as 2026-11-22T18:00:00Z"))
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise FieldsRefused(field_error(error)) from error


def in_utc(instant: datetime, path: str) -> datetime:
    """The instant in UTC. Raises FieldsRefused for one at the edge of the calendar."""
    if not 1 < instant.year <= _LAST_YEAR:
        raise FieldsRefused(FieldError(path, f"the year must be between 2 and {_LAST_YEAR}"))
    return instant.astimezone(UTC)


def reply(answer: object, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """The answer as JSON."""
    return Response(
        msgspec.json.encode(answer), status_code=status, media_type="application/json", headers=dict(headers or {})
    )


Cursor = TypeVar("Cursor")


def cursor_of(place: object) -> str:
    """The opaque form of a place in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(text: str | None, shape: type[Cursor]) -> Cursor | None:
    """The place behind an opaque cursor. Raises FieldsRefused for one that this list did not give."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=shape)
    except (binascii.Error, ValueError) as error:
        raise FieldsRefused(FieldError("cursor", "not a cursor of this list")) from error


def _check_json(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType


def field_error(error: msgspec.ValidationError) -> FieldError:
    """Where a request is not what its shape says, and how."""
    found = _AT.fullmatch(str(error))
    assert found is not None
    message, path = found["message"], found["path"] or ""
    if named := _NAMED.search(message):
        path = f"{path}.{named['name']}".lstrip(".")
    return FieldError(path, message)


@cache
def _instants_of(shape: Any) -> frozenset[str]:
    """The parameters that are instants: msgspec, told to read numbers from text, would take a number for one too."""
    return frozenset(f.encode_name for f in msgspec.structs.fields(shape) if "datetime.datetime" in repr(f.type))
