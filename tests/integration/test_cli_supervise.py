"""The parts of a process: a dead one is restarted, one that keeps dying ends the process, stopping has an end."""

import asyncio
import time

import pytest

from slotwatch.domain.errors import Unavailable
from slotwatch.processes.supervise import KeepsDying, Part, Patience, supervise

QUICK = Patience(first_pause=0.001, longest_pause=0.002, stop_within=0.2)


async def forever(stop: asyncio.Event) -> None:
    await stop.wait()


async def test_a_part_that_dies_is_restarted_while_the_others_go_on() -> None:
    stop = asyncio.Event()
    lives = 0

    async def dies_twice(stop: asyncio.Event) -> None:
        nonlocal lives
        lives += 1
        if lives < 3:
            raise ZeroDivisionError
        stop.set()

    await supervise([Part("fragile", dies_twice), Part("steady", forever)], stop, QUICK)
    assert lives == 3


async def test_a_part_that_ends_by_itself_is_restarted_too() -> None:
    stop = asyncio.Event()
    lives = 0

    async def ends(stop: asyncio.Event) -> None:
        nonlocal lives
        lives += 1
        if lives == 3:
            stop.set()

    await supervise([Part("short", ends)], stop, QUICK)
    assert lives == 3


async def test_a_part_that_keeps_dying_ends_the_whole_process() -> None:
    stop = asyncio.Event()
    lives = 0

    async def dies(stop: asyncio.Event) -> None:
        nonlocal lives
        lives += 1
        raise ZeroDivisionError

    with pytest.raises(KeepsDying, match=r"The hopeless died 8 times in a row"):
        await supervise([Part("hopeless", dies), Part("steady", forever)], stop, QUICK)
    assert lives == 8
    assert stop.is_set()


async def test_a_database_that_is_gone_is_waited_for_as_long_as_it_takes() -> None:
    stop = asyncio.Event()
    tries = 0

    async def needs_the_database(stop: asyncio.Event) -> None:
        nonlocal tries
        tries += 1
        if tries < 30:
            raise Unavailable
        stop.set()

    await supervise([Part("patient", needs_the_database)], stop, QUICK)
    assert tries == 30


async def test_what_is_under_way_is_finished_before_the_stop() -> None:
    stop, finished = asyncio.Event(), asyncio.Event()

    async def finishes(stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(0.02)
        finished.set()

    asyncio.get_running_loop().call_later(0.01, stop.set)
    await supervise([Part("tidy", finishes)], stop, QUICK)
    assert finished.is_set()


async def test_a_part_that_will_not_stop_is_cut_off() -> None:
    stop = asyncio.Event()

    async def stubborn(stop: asyncio.Event) -> None:
        await asyncio.Event().wait()

    asyncio.get_running_loop().call_later(0.01, stop.set)
    began = time.monotonic()
    await supervise([Part("stubborn", stubborn), Part("steady", forever)], stop, QUICK)
    assert time.monotonic() - began < 5
