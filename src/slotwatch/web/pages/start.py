"""The start page and the readable API docs."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State

from slotwatch.domain.errors import SlotwatchError
from slotwatch.web import problems
from slotwatch.web.contract import Operation, declared
from slotwatch.web.openapi import openapi_document
from slotwatch.web.pages.rendering import page

__all__ = ["Link", "show_docs", "show_openapi", "show_start"]


@dataclass(frozen=True)
class Link:
    """A way on from the start page."""

    title: str
    href: str
    text: str


_WAYS = (
    Link("I want to charge", "/stations", "Find a free slot, book it, check in, and see why a booking ended as it did"),
    Link("I run stations", "/vendor", "The live board, the numbers, disputes, stations, terms and staff"),
    Link("I run slotwatch", "/operator", "How the engine, the outbox and the workers are doing"),
)


@get("/", include_in_schema=False)
async def show_start(request: Request[None, None, State]) -> Response[str]:
    """GET /: where everything is."""
    links: Sequence[Link] = request.app.state.links
    return page("start.html", ways=_WAYS, links=links)


@get(
    "/openapi.json",
    opt=declared(Operation("This API as OpenAPI 3.1", dict, "Operators", is_public=True)),
)
async def show_openapi(request: Request[None, None, State]) -> Response[bytes]:
    """GET /openapi.json."""
    return Response(msgspec.json.encode(_document(request)), media_type="application/json")


@get("/docs", include_in_schema=False)
async def show_docs(request: Request[None, None, State]) -> Response[str]:
    """GET /docs: the OpenAPI document for people."""
    document = _document(request)
    schemas = document["components"]["schemas"]
    operations = [
        {**written, "method": method.upper(), "path": path, "rows": _rows(written, schemas)}
        for path, methods in document["paths"].items()
        for method, written in methods.items()
    ]
    return page(
        "docs.html",
        operations=operations,
        schemas={name: _fields(schema, schemas) for name, schema in sorted(schemas.items())},
        codes=_codes(),
        words=schemas,
    )


def _document(request: Request[Any, Any, State]) -> dict[str, Any]:
    state = request.app.state
    if state.openapi is None:
        state.openapi = openapi_document(request.app.routes)
    document: dict[str, Any] = state.openapi
    return document


def _rows(written: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, str]]:
    """What goes in: parameters and the fields of the body."""
    rows = [
        {
            "name": one["name"],
            "place": one["in"],
            "kind": _kind(one["schema"]),
            "required": "yes" if one["required"] else "",
            "text": one["schema"].get("description", one.get("description", "")),
        }
        for one in written["parameters"]
    ]
    if "requestBody" in written:
        body = written["requestBody"]["content"]["application/json"]["schema"]
        schema = schemas[body["$ref"].rpartition("/")[2]]
        rows += [{**field, "place": "body"} for field in _fields(schema, schemas)]
    return rows


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, str]]:
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "kind": _kind(part),
            "required": "yes" if name in required else "",
            "text": part.get("description", ""),
        }
        for name, part in schema.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    """The type in words, such as `text or null` or `list of Booking`."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        parts = schema.get("prefixItems")
        return f"list of {_kind(schema.get('items', {}))}" if parts is None else f"[{', '.join(map(_kind, parts))}]"
    if kind == "string":
        return {"date-time": "instant", "date": "date"}.get(schema.get("format", ""), "text")
    return {"integer": "whole number", "object": "object", "null": "null"}.get(kind, kind)


def _codes() -> list[dict[str, Any]]:
    """Every error code that HTTP can answer with, by status."""
    found: dict[str, dict[str, Any]] = {}
    waiting: list[type[SlotwatchError]] = [SlotwatchError]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        is_answered = cls.__module__ in ("slotwatch.domain.errors", problems.__name__) and cls is not SlotwatchError
        if is_answered and "code" in vars(cls):
            status = problems.status_of(cls)
            text = " ".join(str(cls.__doc__).split())
            words = {"code": cls.code, "status": status, "phrase": HTTPStatus(status).phrase, "text": text}
            found.setdefault(cls.code, words)
    return sorted(found.values(), key=lambda one: (one["status"], one["code"]))
