"""An operator lets an address be written to again, and the log says who did."""

import structlog

from slotwatch.domain.errors import NotFound
from slotwatch.domain.masked import masked
from slotwatch.storage.statements import Connection
from slotwatch.storage.suppressions import Suppression, delete_suppressions

__all__ = ["lift_suppression"]

_log = structlog.get_logger(__name__)


async def lift_suppression(conn: Connection, address: str, channel: str | None, *, actor: str) -> list[Suppression]:
    """Lift it on that channel, or (None) on all. Raises NotFound where nothing is suppressed.

    What was not sent meanwhile stays unsent.
    """
    lifted = await delete_suppressions(conn, address, channel)
    if not lifted:
        raise NotFound("This address is not suppressed.")
    for one in lifted:
        _log.info(
            "an address may be written to again",
            action="suppression_lifted",
            channel=one.channel,
            address=masked(one.address),
            since=one.at.isoformat(),
            reason=one.reason,
            actor=actor,
        )
    return lifted
