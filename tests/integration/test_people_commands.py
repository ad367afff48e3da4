"""Vendors, staff and stuck bookings from the command line."""

import json
from pathlib import Path

from slotwatch.domain.ids import ref
from tests.cli_runs import run
from tests.conftest import Town
from tests.support.crew import Crew


async def test_the_first_people_are_let_in_from_the_command_line(
    crew: Crew, town: Town, database_url: str, tmp_path: Path
) -> None:
    def slotwatch(*words: str) -> tuple[int, str, str]:
        said = run(*words, data_dir=tmp_path, DATABASE_URL=database_url)
        return said.status, said.out.strip(), said.err.strip()

    status, vendor, _ = slotwatch("vendor", "add", "--name", "Watt", "--language", "de")
    assert (status, vendor) == (0, ref("VN", town.other_vendor + 1))
    listed = json.loads(slotwatch("vendor", "list", "--json")[1])
    assert [one["name"] for one in listed] == ["Volt", "Ampere", "Watt"]
    owner = ("staff", "add", "--role", "owner", "--vendor", vendor, "--email", "w@watt.example", "--name", "Wanda")
    assert slotwatch(*owner) == (0, "Wanda may sign in with w@watt.example: the page /sign-in sends a code there.", "")
    assert slotwatch(*owner)[0] == 1
    operator = ("staff", "add", "--role", "operator", "--email", "o@ops.example", "--name", "Olga")
    assert slotwatch(*operator, "--vendor", vendor)[2] == "An operator belongs to no vendor, and everybody else to one."
    assert slotwatch(*operator)[0] == 0
    people = json.loads(slotwatch("staff", "list", "--json")[1])
    assert [(one["email"], one["vendor"]) for one in people] == [("o@ops.example", None), ("w@watt.example", vendor)]
    assert (
        slotwatch("staff", "remove", "w@watt.example")[2] == "This is the last owner. Make somebody else owner first."
    )
    assert slotwatch("staff", "remove", "x@watt.example")[0] == 1


async def test_a_stuck_booking_is_put_back_from_the_command_line(
    crew: Crew, town: Town, database_url: str, tmp_path: Path
) -> None:
    booking = await crew.booked(town.driver, town.connectors[0], town.slot())
    await crew.execute("UPDATE booking SET set_aside = true, tries = 3")
    assert booking.ref in run("bookings", "set-aside", data_dir=tmp_path, DATABASE_URL=database_url).out
    said = run("bookings", "put-back", booking.ref, data_dir=tmp_path, DATABASE_URL=database_url)
    assert (said.status, said.out.strip()) == (0, f"{booking.ref} is on its timeline again.")
    again = run("bookings", "put-back", booking.ref, data_dir=tmp_path, DATABASE_URL=database_url)
    assert (again.status, again.err.strip()) == (1, "This booking is not set aside: there is nothing to put back.")
    assert tuple((await crew.rows("SELECT set_aside, tries FROM booking"))[0]) == (False, 0)
