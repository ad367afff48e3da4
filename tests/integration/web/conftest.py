"""The application on a real database, a client without a socket, and tokens of every kind of caller."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from joserfc.jwk import OKPKey
from litestar import Litestar

from slotwatch.domain.ids import ref
from slotwatch.storage.clock import MovableClock
from slotwatch.usecases.desk import Desk
from slotwatch.web.app import create_app
from slotwatch.web.auth import TokenSigner
from slotwatch.web.settings import WebSettings
from tests.conftest import Town

SIGNER = TokenSigner(OKPKey.generate_key("Ed25519", private=True))
BASE = "http://127.0.0.1"


def instant(at: datetime) -> str:
    """As clients write it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def bearer(subject: str = "driver-1", role: str = "driver", **claims: Any) -> dict[str, str]:
    """The header of somebody with a good token."""
    vendor_id = 1 if role == "vendor" else None
    return {"Authorization": f"Bearer {SIGNER.issue(subject, role, vendor_id=vendor_id, **claims)}"}


@dataclass
class Api:
    """A client that calls as driver-1 unless told otherwise."""

    client: httpx.AsyncClient
    town: Town
    clock: MovableClock
    headers: dict[str, str] = field(default_factory=bearer)

    async def call(
        self, method: str, path: str, json: Any = None, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """One request; `headers` are added to the caller's."""
        return await self.client.request(method, path, json=json, headers={**self.headers, **(headers or {})}, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return await self.call("GET", path, **more)

    async def post(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        """POST."""
        return await self.call("POST", path, json, **more)

    async def put(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        """PUT."""
        return await self.call("PUT", path, json, **more)

    def as_caller(self, headers: dict[str, str]) -> "Api":
        """The same API, called by somebody else."""
        return Api(self.client, self.town, self.clock, headers)

    def slot(
        self, *, starts_in: timedelta = timedelta(hours=1), length: timedelta = timedelta(hours=1), connector: int = 0
    ) -> dict[str, Any]:
        """The body of a booking request."""
        starts_at = self.clock.read() + starts_in
        return {
            "connectorId": ref("CN", self.town.connectors[connector]),
            "startTime": instant(starts_at),
            "endTime": instant(starts_at + length),
        }

    async def booked(self, **slot: Any) -> dict[str, Any]:
        """A booking that was made."""
        answer = await self.post("/api/users/bookings", self.slot(**slot))
        assert answer.status_code == 201, answer.text
        booking: dict[str, Any] = answer.json()
        return booking


def make_app(desk: Desk, **more: Any) -> Litestar:
    """The application with the tests' key."""
    return create_app(WebSettings(), desk, signer=SIGNER, **more)


def client_of(app: Litestar, **more: Any) -> httpx.AsyncClient:
    """A client that calls the application directly."""
    transport = httpx.ASGITransport(app, **more)  # type: ignore[arg-type]  # the same thing, typed more narrowly
    return httpx.AsyncClient(transport=transport, base_url=BASE)


@asynccontextmanager
async def running(app: Litestar) -> AsyncIterator[None]:
    """The application started, and stopped in the task that started it, as a server does."""
    started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await stop.wait()

    living = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait([living, waiting], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        stop.set()
        waiting.cancel()
        await living


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application, with the local inbox."""
    app = make_app(desk, has_inbox=True)
    async with running(app), client_of(app) as client:
        yield client


@pytest.fixture
def api(client: httpx.AsyncClient, town: Town, clock: MovableClock) -> Api:
    """The API as driver-1, who books."""
    return Api(client, town, clock)


@pytest.fixture
def problem_of() -> Callable[[httpx.Response], tuple[int, str]]:
    """Status and code of an error, after checking its form."""

    def read(answer: httpx.Response) -> tuple[int, str]:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["type"] and problem["title"] and problem["detail"]
        assert ("errors" in problem) == (answer.status_code == 422)
        return problem["status"], problem["code"]

    return read
