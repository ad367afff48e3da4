"""What went wrong, as `application/problem+json`: one table from error classes to HTTP statuses, for every route."""

import secrets
from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from slotwatch.domain import errors
from slotwatch.storage.migrate import SchemaMismatch
from slotwatch.web.pages.rendering import page
from slotwatch.web.ways_back import methods_at, page_above, way_back

__all__ = [
    "STATUSES",
    "FieldError",
    "FieldsRefused",
    "ForbiddenRole",
    "ForeignForm",
    "ForgedReceipt",
    "IdempotencyInProgress",
    "Internal",
    "MalformedRequest",
    "MethodNotAllowed",
    "PasswordWanted",
    "PayloadTooLarge",
    "Unauthenticated",
    "UnsupportedMediaType",
    "answer_problem",
    "as_slotwatch_error",
    "problem",
    "status_of",
]

_log = structlog.get_logger(__name__)


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong at one place of a request; `path` is empty for the request as a whole."""

    path: str
    message: str


class FieldsRefused(errors.InvalidInput):
    """A part of the request is missing, unknown or not what it should be."""

    def __init__(self, *refused: FieldError) -> None:
        first = refused[0]
        super().__init__(f"{first.path}: {first.message}" if first.path else first.message)
        self.refused = refused


class MalformedRequest(errors.SlotwatchError):
    """The request cannot be read."""

    code = "malformed_request"


class Unauthenticated(errors.SlotwatchError):
    """This needs a token: send Authorization: Bearer with one that is valid."""

    code = "unauthenticated"


class ForeignForm(errors.SlotwatchError):
    """This form did not come from our own page, or is from an earlier sign-in. Load the page again."""

    code = "foreign_form"


class ForgedReceipt(errors.SlotwatchError):
    """This report is not signed as the provider signs."""

    code = "forged_receipt"


class PasswordWanted(errors.SlotwatchError):
    """This report names no password: send the one in the address that you were given, as HTTP Basic."""

    code = "password_wanted"


class ForbiddenRole(errors.SlotwatchError):
    """Your token is valid, but its role may not make this call."""

    code = "forbidden_role"


class MethodNotAllowed(errors.SlotwatchError):
    """This address exists, but not for this method."""

    code = "method_not_allowed"


class PayloadTooLarge(errors.SlotwatchError):
    """The body of the request is longer than any that makes sense here."""

    code = "payload_too_large"


class UnsupportedMediaType(errors.SlotwatchError):
    """The body must be JSON: send Content-Type: application/json."""

    code = "unsupported_media_type"


class IdempotencyInProgress(errors.Conflict):
    """The first request with this Idempotency-Key is still being worked on. Send the same one again shortly."""

    code = "idempotency_in_progress"


class Internal(errors.SlotwatchError):
    """Something went wrong on our side. It is logged under the id given here."""

    code = "internal"


STATUSES: Mapping[type[errors.SlotwatchError], int] = {
    MalformedRequest: 400,
    Unauthenticated: 401,
    PasswordWanted: 401,
    ForbiddenRole: 403,
    ForeignForm: 403,
    ForgedReceipt: 403,
    errors.NotFound: 404,
    MethodNotAllowed: 405,
    errors.Conflict: 409,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    errors.InvalidInput: 422,
    errors.IdempotencyKeyReused: 422,
    errors.TooManyCodes: 429,
    errors.SlotwatchError: 500,
    errors.Unavailable: 503,
    SchemaMismatch: 503,
}
"""The status of an error is that of the nearest class of its family that stands here."""

_RETRY_AFTER: Mapping[type[errors.SlotwatchError], str] = {
    errors.Unavailable: "2",
    SchemaMismatch: "30",
    IdempotencyInProgress: "1",
    errors.TooManyCodes: "3600",
}
_FROM_FRAMEWORK: Mapping[int, type[errors.SlotwatchError]] = {
    400: MalformedRequest,
    401: Unauthenticated,
    404: errors.NotFound,
    405: MethodNotAllowed,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
}
_BUSY = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
)
_OTHER_SCHEMA = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)


def status_of(error: type[errors.SlotwatchError]) -> int:
    """The HTTP status of an error class."""
    return next(STATUSES[cls] for cls in error.__mro__ if cls in STATUSES)


def as_slotwatch_error(error: Exception) -> errors.SlotwatchError:
    """Any exception as one of ours; what nobody expected becomes Internal and is logged under its id."""
    match error:
        case errors.SlotwatchError():
            return error if type(error) is not errors.SlotwatchError else _internal(error)
        case HTTPException() if error.status_code in _FROM_FRAMEWORK:
            return _FROM_FRAMEWORK[error.status_code]()
        case _ if isinstance(error, _OTHER_SCHEMA):
            return SchemaMismatch("The database schema is not the one that this program needs.")
        case _ if isinstance(error, _BUSY):
            return errors.Unavailable("The database did not answer in time. Try again shortly.")
        case _:
            return _internal(error)


def problem(error: errors.SlotwatchError) -> dict[str, Any]:
    """The body of the answer (RFC 9457): details of the error are members beside the standard ones."""
    status = status_of(type(error))
    body: dict[str, Any] = {
        "type": f"/docs#{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.message,
        "code": error.code,
        **{name: value for name, value in error.details.items() if value is not None},
    }
    if isinstance(error, errors.GraceOver) and "bookingId" in error.details:
        body["disputeUrl"] = f"/api/users/bookings/{error.details['bookingId']}/dispute"
    if status == 422:
        body["errors"] = error.refused if isinstance(error, FieldsRefused) else [FieldError("", error.message)]
    return body


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The exception handler of the whole application: a page where a person looks, else JSON.

    Who looks at an address that only takes a form, such as a browser that opens its tabs again, is led to the page
    that holds the form.
    """
    ours = as_slotwatch_error(error)
    if isinstance(ours, errors.Unavailable):
        _log.warning("a request could not be served", action="unavailable", reason=ours.message)
    if _is_for_a_person(request):
        if isinstance(ours, MethodNotAllowed) and request.method in ("GET", "HEAD"):
            return Response(None, status_code=303, headers={"Location": page_above(request)})
        return _problem_page(request, ours)
    return Response(
        msgspec.json.encode(problem(ours)),
        status_code=status_of(type(ours)),
        media_type="application/problem+json",
        headers=_headers(request, ours),
    )


def _is_for_a_person(request: Request[Any, Any, Any]) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/api/")


def _problem_page(request: Request[Any, Any, Any], error: errors.SlotwatchError) -> Response[str]:
    is_absent = isinstance(error, errors.NotFound)
    start, back = ("/", "To the start"), way_back(request)
    return page(
        "problem.html",
        status=status_of(type(error)),
        headers={name: value for name, value in _headers(request, error).items() if name != "WWW-Authenticate"},
        title="There is nothing here" if is_absent else error.code.replace("_", " ").capitalize(),
        detail=error.message,
        incident=error.details.get("incident"),
        ways_on=[start] if is_absent or back == "/" else [(back, "Try again"), start],
        visitor=None,
        csrf="",
        ways=(),
        current="",
    )


def _headers(request: Request[Any, Any, Any], error: errors.SlotwatchError) -> dict[str, str]:
    headers = {}
    for cls, seconds in _RETRY_AFTER.items():
        if isinstance(error, cls):
            headers["Retry-After"] = seconds
    if isinstance(error, Unauthenticated):
        refused = ', error="invalid_token"' if "authorization" in request.headers else ""
        headers["WWW-Authenticate"] = f'Bearer realm="slotwatch"{refused}'
    if isinstance(error, PasswordWanted):
        headers["WWW-Authenticate"] = 'Basic realm="slotwatch"'  # SNS asks for a realm
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(methods_at(request, request.scope["path"].rstrip("/") or "/")))
    return headers


def _internal(error: Exception) -> Internal:
    incident = secrets.token_hex(8)
    _log.error("a request failed", action="request_failed", incident=incident, exc_info=error)
    return Internal(incident=incident)
