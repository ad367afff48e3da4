"""Every field of every call, given each value that no client should send: refused in words, never a fault of ours."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from slotwatch.storage.database import Database
from tests.integration.web.conftest import Api

NASTY: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 10**400, 1.5, 1e308, [], [[]], {}, {"a": {"b": []}}),
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\u202e",
        "\ufffd",
        "\U0010ffff",
        "x" * 5000,
        "'; DROP TABLE booking; --",
        "%s%n",
        "NaN",
    ),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-02-30T00:00:00Z", "2026-03-02T13:00:00+99:00"),
    *("CN-1", "CN-9223372036854775808", "../../etc/passwd", "<script>", "{{7*7}}", "Infinity", "1e999"),
)


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, behind references and the null beside it."""
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        else:
            schema = next(part for part in schema["anyOf"] if part != {"type": "null"})
    return schema


def example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A value that may be right."""
    schema = resolved(document, schema)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: example(document, part) for name, part in schema.get("properties", {}).items()}
        case "string":
            return "2026-03-02T13:00:00Z" if schema.get("format") == "date-time" else "CN-1"
        case "boolean":
            return True
        case "array":
            return []
        case _:
            return 1


def spoiled(whole: Any, nasty: Any) -> list[Any]:
    """The body with each of its fields replaced in turn, at every depth."""
    bodies = [nasty]
    if isinstance(whole, dict):
        for name, value in whole.items():
            bodies += [{**whole, name: inner} for inner in spoiled(value, nasty)]
    return bodies


async def test_no_value_in_any_body_is_a_fault_of_ours(api: Api, database: Database, subtests: pytest.Subtests) -> None:
    booking = await api.booked()
    document = (await api.client.get("/openapi.json")).json()
    asked = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "requestBody" not in operation or not path.startswith("/api/users"):
                continue
            whole = example(document, operation["requestBody"]["content"]["application/json"]["schema"])
            with subtests.test(f"{method} {path}"):
                for nasty in NASTY:
                    for body in spoiled(whole, nasty):
                        address = path.replace("{bookingId}", booking["bookingId"])
                        content = json.dumps(body).encode()
                        answer = await api.call(
                            method.upper(), address, headers={"Content-Type": "application/json"}, content=content
                        )
                        assert answer.status_code < 500, (body, answer.text)
                        asked += 1
    assert asked > 300


async def test_no_value_in_any_address_is_a_fault_of_ours(api: Api, subtests: pytest.Subtests) -> None:
    document = (await api.client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        if "get" not in methods or not path.startswith(("/api/users", "/api/stations")):
            continue
        with subtests.test(path):
            for text in [str(value) for value in NASTY if not isinstance(value, dict)]:
                value = quote(text[:1000], safe="")
                names = [one["name"] for one in methods["get"]["parameters"] if one["in"] == "query"]
                addresses = [f"{path}?{name}={value}" for name in names] if "{" not in path else []
                addresses += [path.replace("{bookingId}", value).replace("{stationId}", value)]
                for address in addresses:
                    answer = await api.get(address)
                    assert answer.status_code < 500, (address, answer.text)
