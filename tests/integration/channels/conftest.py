"""Fixtures of the channel tests."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.channels.rigs import Rig, emulate_rig, voice
from tests.integration.channels.rigs_wrapped import EVERY_RIG
from tests.mail_sink import Certificate, make_certificate
from tests.twilio_double import TwilioDouble, twilio_double


@pytest.fixture(params=EVERY_RIG)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each channel in turn, with a provider that misbehaves when asked to."""
    async with EVERY_RIG[request.param]() as one:
        yield one


@pytest.fixture(
    params=[*EVERY_RIG, *(pytest.param(name, marks=pytest.mark.node) for name in ("emulate", "emulate calls"))]
)
async def taking_rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each channel in turn, with a provider that takes what it gets; one of them is nobody's double of ours."""
    if request.param == "emulate":
        async with emulate_rig(request.getfixturevalue("emulate")) as one:
            yield one
    elif request.param == "emulate calls":
        async with emulate_rig(request.getfixturevalue("emulate"), voice, "Calls") as one:
            yield one
    else:
        async with EVERY_RIG[request.param]() as one:
            yield one


@pytest.fixture(scope="session")
def emulate() -> Iterator[TwilioDouble]:
    """The Twilio-compatible server, one for all tests: each uses numbers of its own."""
    with twilio_double() as double:
        yield double


@pytest.fixture(scope="session")
def certificate() -> Iterator[Certificate]:
    """A certificate that only who is told so trusts."""
    with make_certificate() as made:
        yield made
