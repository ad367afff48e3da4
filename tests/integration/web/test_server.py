"""The application behind a real server on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from slotwatch.processes.http import HttpServer, Listener, listen
from slotwatch.usecases.desk import Desk
from tests.conftest import Town
from tests.integration.web.conftest import bearer, make_app


@pytest.fixture
async def listener(desk: Desk) -> AsyncIterator[Listener]:
    """Where the application is being served."""
    listener, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(HttpServer(make_app(desk), listener).run(stop))
    async with httpx.AsyncClient() as client:
        async with asyncio.timeout(10):
            assert (await client.get(f"{listener.url}/healthz")).status_code == 200
        yield listener
    stop.set()
    async with asyncio.timeout(10):
        await serving
    listener.close()


async def exchange(listener: Listener, sent: bytes) -> bytes:
    """What comes back on a connection of its own, until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(sent)
    await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_booking_is_made_over_a_socket_and_the_server_keeps_its_name_to_itself(
    listener: Listener, town: Town
) -> None:
    async with httpx.AsyncClient(base_url=listener.url, headers=bearer()) as client:
        slot = {"connectorId": f"CN-{town.connectors[0]}", "startTime": "2026-03-02T13:00:00Z"}
        answer = await client.post("/api/users/bookings", json={**slot, "endTime": "2026-03-02T14:00:00Z"})
    assert answer.status_code == 201
    assert "server" not in answer.headers


@pytest.mark.parametrize(("trusted", "caller"), [("127.0.0.1", "198.51.100.7"), ("192.0.2.1", "127.0.0.1")])
async def test_only_a_proxy_that_is_trusted_says_where_a_request_came_from(
    desk: Desk, trusted: str, caller: str
) -> None:
    async def say(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await make_app(desk)(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["client"][0].encode()})

    listener, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(HttpServer(say, listener, trusted_proxies=trusted).run(stop))
    async with httpx.AsyncClient() as client:
        answer = await client.get(listener.url, headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
    assert answer.text == caller
    stop.set()
    await serving
    listener.close()


async def test_a_body_over_the_limit_is_refused_before_it_is_read(listener: Listener) -> None:
    head = (
        "POST /api/users/bookings HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: {bearer()['Authorization']}\r\nContent-Length: 10000000000\r\n\r\n"
    )
    answer = await exchange(listener, head.encode() + b"{")
    assert answer.startswith(b"HTTP/1.1 413") and b"payload_too_large" in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n\r\n\x00",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"POST /api/stations HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["no HTTP", "no host", "an endless header", "a length below zero"],
)
async def test_what_is_no_proper_request_ends_its_connection_and_nothing_else(listener: Listener, sent: bytes) -> None:
    try:
        answer = await exchange(listener, sent + b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n")
        assert b" 500 " not in answer.split(b"\r\n", 1)[0]
    except ConnectionError:
        pass  # cut off is fine too
    async with httpx.AsyncClient(base_url=listener.url) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_the_server_stops_in_time_with_a_request_that_never_ends(desk: Desk) -> None:
    listener, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(HttpServer(make_app(desk), listener).run(stop))
    async with httpx.AsyncClient() as client:
        await client.get(f"{listener.url}/healthz")
    with socket.create_connection(("127.0.0.1", listener.port)) as slow:
        slow.sendall(b"POST /api/users/bookings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
        stop.set()
        async with asyncio.timeout(10):
            await serving
    listener.close()
