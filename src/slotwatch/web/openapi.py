"""The OpenAPI document, written from what the handlers declare: shapes by msgspec, errors by the problems table."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

import slotwatch
from slotwatch.domain import errors
from slotwatch.web.contract import Operation
from slotwatch.web.problems import (
    FieldError,
    ForbiddenRole,
    IdempotencyInProgress,
    Internal,
    MalformedRequest,
    PayloadTooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    status_of,
)

__all__ = ["Problem", "openapi_document", "operations"]

_REF = "#/components/schemas/{name}"
_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class Problem(msgspec.Struct, omit_defaults=True):
    """An error (RFC 9457). Some errors have more members, such as `opensAt`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []


def operations(routes: Iterable[Any]) -> list[tuple[str, str, Operation]]:
    """Method, path as in OpenAPI and declaration of every declared operation, by path."""
    found = []
    for route in routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if isinstance(handler, HTTPRouteHandler) and "operation" in handler.opt:
                found += [
                    (method, _public_path(route.path_format), handler.opt["operation"]) for method in _methods(handler)
                ]
    return sorted(found, key=lambda one: (one[2].tag != "Drivers", one[1], one[0]))


def openapi_document(routes: Iterable[Any]) -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    listed = operations(routes)
    shapes = {shape for _, _, one in listed for shape in (one.body, one.query, one.answer) if _is_shape(shape)}
    ordered = sorted([*shapes, Problem], key=str)
    references, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    schemas = dict(zip(ordered, references, strict=True))
    queries = {_name_of(schemas[one.query]) for _, _, one in listed if one.query is not None}
    paths: dict[str, dict[str, Any]] = {}
    for method, path, operation in listed:
        paths.setdefault(path, {})[method.lower()] = _written(method, path, operation, (schemas, components))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "slotwatch",
            "version": slotwatch.__version__,
            "description": "Watches EV-charging bookings from confirmation to completion.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in queries},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _methods(handler: HTTPRouteHandler) -> list[str]:
    return sorted(str(getattr(method, "value", method)) for method in handler.http_methods)


def _public_path(path: str) -> str:
    """`{booking_id}` of the code is `{bookingId}` for clients."""
    return re.sub(r"\{(\w+)\}", lambda name: "{" + _camel(name[1]) + "}", path)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _is_shape(shape: Any) -> bool:
    return shape is not None and shape is not str


def _name_of(schema: dict[str, Any]) -> str:
    """The name behind a reference; two shapes of one name have longer names there."""
    return str(schema["$ref"].rpartition("/")[2])


def _written(
    method: str, path: str, operation: Operation, known: tuple[dict[Any, Any], dict[str, Any]]
) -> dict[str, Any]:
    schemas, _ = known
    written: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "-", f"{method.lower()}{path}").strip("-"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            *_path_parameters(path),
            *_query_parameters(operation, known),
            *_headers(method, operation),
        ],
        "responses": _responses(method, operation, schemas),
    }
    if operation.description:
        written["description"] = operation.description
    if not operation.is_public:
        written["security"] = [{"bearer": []}]
    if operation.body is not None:
        written["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": schemas[operation.body]}},
        }
    return written


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(operation: Operation, known: tuple[dict[Any, Any], dict[str, Any]]) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schemas, components = known
    schema = components[_name_of(schemas[operation.query])]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(part)}
        for name, part in schema["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is not given is left out; it is never null."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _headers(method: str, operation: Operation) -> list[dict[str, Any]]:
    if method not in _UNSAFE or operation.is_public:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    text = "The same key and body give the same answer, and the effect happens once. Kept for 7 days."
    return [{"name": "Idempotency-Key", "in": "header", "required": False, "description": text, "schema": schema}]


def _errors(method: str, operation: Operation) -> set[type[errors.SlotwatchError]]:
    found = {*operation.errors, Internal}
    if operation.is_public:
        return found
    found |= {Unauthenticated, ForbiddenRole, MalformedRequest, errors.Unavailable}
    if operation.query is not None:
        found |= {errors.InvalidInput}
    if method in _UNSAFE:
        found |= {IdempotencyInProgress, errors.IdempotencyKeyReused}
        found |= {PayloadTooLarge, UnsupportedMediaType, errors.InvalidInput}
    return found


def _responses(method: str, operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    schema = schemas.get(operation.answer, {"type": "string"})
    responses: dict[str, Any] = {
        str(operation.status): {
            "description": HTTPStatus(operation.status).phrase,
            "content": {operation.media_type: {"schema": schema}},
        }
    }
    by_status: dict[int, set[str]] = {}
    for error in _errors(method, operation):
        by_status.setdefault(status_of(error), set()).add(error.code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in sorted(codes)),
            "content": {"application/problem+json": {"schema": schemas[Problem]}},
        }
    return responses
