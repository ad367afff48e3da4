"""What a notice says to whom: the way in for senders that were given no renderer, with the built-in wording."""

from functools import cache

from slotwatch.channels import Message
from slotwatch.outbox.claim import Claimed
from slotwatch.outbox.render import Renderer

__all__ = ["compose"]


def compose(delivery: Claimed, frontend_url: str) -> Message:
    """The message for one delivery. Foreign text loses its control characters; times are the station's, zone named."""
    return _renderer().message(delivery, frontend_url)


@cache
def _renderer() -> Renderer:
    """Templates are read and compiled once a process."""
    return Renderer()
