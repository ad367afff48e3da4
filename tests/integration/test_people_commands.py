"""Vendors, staff and stuck bookings from the command line."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from slotwatch.cli import app
from slotwatch.domain.errors import SlotwatchError
from slotwatch.domain.ids import ref
from tests.conftest import Town
from tests.support.crew import Crew

Say = Callable[..., Awaitable[str]]


@pytest.fixture
def slotwatch(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Say:
    """Runs a command on the test's database; what it says, also when it refuses."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SLOTWATCH_DATA_DIR", str(tmp_path))

    def call(words: tuple[str, ...]) -> str:
        try:
            app(list(words), exit_on_error=False)
        except SlotwatchError as error:
            return f"refused: {error.message}"
        return capsys.readouterr().out.strip()

    async def say(*words: str) -> str:
        return await asyncio.to_thread(call, words)  # a command has an event loop of its own

    return say


async def test_the_first_people_are_let_in_from_the_command_line(town: Town, slotwatch: Say) -> None:
    vendor = await slotwatch("vendor", "add", "--name", "Watt", "--language", "de")
    assert vendor == ref("VN", town.other_vendor + 1)
    listed = json.loads(await slotwatch("vendor", "list", "--json"))
    assert [one["name"] for one in listed] == ["Volt", "Ampere", "Watt"]
    owner = ("staff", "add", "--role", "owner", "--vendor", vendor, "--email", "w@watt.example", "--name", "Wanda")
    assert await slotwatch(*owner) == "Wanda may sign in with w@watt.example: the page /sign-in sends a code there."
    assert (await slotwatch(*owner)).startswith("refused: Somebody signs in with this e-mail address already")
    operator = ("staff", "add", "--role", "operator", "--email", "o@ops.example", "--name", "Olga")
    wrong = await slotwatch(*operator, "--vendor", vendor)
    assert wrong == "refused: An operator belongs to no vendor, and everybody else to one."
    assert "Olga may sign in" in await slotwatch(*operator)
    people = json.loads(await slotwatch("staff", "list", "--json"))
    assert [(one["email"], one["vendor"]) for one in people] == [("o@ops.example", None), ("w@watt.example", vendor)]
    assert "w@watt.example" in await slotwatch("staff", "list")
    last = await slotwatch("staff", "remove", "w@watt.example")
    assert last == "refused: This is the last owner. Make somebody else owner first."
    assert "Nobody of the staff" in await slotwatch("staff", "remove", "x@watt.example")
    await slotwatch(*owner[:-3], "second@watt.example", "--name", "Second")
    assert "signed out everywhere" in await slotwatch("staff", "remove", "W@watt.example")


async def test_a_stuck_booking_is_put_back_from_the_command_line(crew: Crew, town: Town, slotwatch: Say) -> None:
    assert await slotwatch("bookings", "set-aside") == "No booking is set aside."
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.execute("UPDATE booking SET set_aside = true, tries = 3")
    assert booking.ref in await slotwatch("bookings", "set-aside")
    assert await slotwatch("bookings", "put-back", booking.ref) == f"{booking.ref} is on its timeline again."
    again = await slotwatch("bookings", "put-back", booking.ref)
    assert again == "refused: This booking is not set aside: there is nothing to put back."
    assert tuple((await crew.rows("SELECT set_aside, tries FROM booking"))[0]) == (False, 0)
