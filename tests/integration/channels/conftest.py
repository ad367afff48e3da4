"""Fixtures of the channel tests."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.channels.rigs import RIGS, Rig
from tests.mail_sink import Certificate, make_certificate
from tests.twilio_double import TwilioDouble, twilio_double


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Each channel in turn, with its provider."""
    async with RIGS[request.param]() as one:
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
