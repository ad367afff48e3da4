"""Where providers report how a message fared and what people answered: signed calls, whose raw bytes are looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from litestar import Request, Response, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from slotwatch.channels.receipts import LARGEST_BODY, BadReceipt, Call, News, Receipt, Translator
from slotwatch.channels.voice import thanks
from slotwatch.domain.errors import NotFound, SlotwatchError
from slotwatch.outbox.receipts import ReceiptBook
from slotwatch.web.contract import Operation, declared
from slotwatch.web.problems import ForgedReceipt, MalformedRequest, PasswordWanted, PayloadTooLarge

__all__ = ["WEBHOOK_ROUTES", "Receivers"]

_log = structlog.get_logger(__name__)

_PATH = "/api/webhooks/{provider:str}"
_EMPTY = "<Response/>"
_REFUSALS: Mapping[str, type[SlotwatchError]] = {
    "anonymous": PasswordWanted,
    "forged": ForgedReceipt,
    "too_large": PayloadTooLarge,
    "malformed": MalformedRequest,
}


@dataclass(frozen=True)
class Receivers:
    """Who may report, by the name in the path, and under which addresses (without query) each knows us."""

    book: ReceiptBook
    translators: Mapping[str, Translator]
    addresses: Mapping[str, Sequence[str]]

    def read(self, provider: str, request: Request[None, None, State], body: bytes) -> tuple[News, ...] | BadReceipt:
        """What the call says. Behind a proxy we do not see the address that was signed, so each of ours is tried."""
        headers, query = dict(request.headers), request.scope["query_string"].decode("latin-1")
        said: tuple[News, ...] | BadReceipt = BadReceipt("forged", "nobody was told an address of ours")
        for address in self.addresses[provider]:
            url = f"{address}?{query}" if query else address
            said = self.translators[provider].read(Call(url, headers, body))
            if not isinstance(said, BadReceipt) or said.reason != "forged":
                break
        return said


@post(
    _PATH,
    status_code=200,
    request_max_body_size=LARGEST_BODY,
    opt=declared(
        Operation(
            "Report how a message fared",
            str,
            "Providers",
            is_public=True,
            media_type="text/xml",
            errors=(NotFound, PasswordWanted, ForgedReceipt, MalformedRequest, PayloadTooLarge),
            description="For Twilio (`twilio`, its own signature), Amazon SES (`ses`) and Postmark (`postmark`), which"
            " know SLOTWATCH_RECEIPT_SECRET as the password of HTTP Basic: without any, 401 asks for it. A call that"
            " comes again changes nothing."
            " A provider that is not configured is 404.",
        )
    ),
)
async def take_report(request: Request[None, None, State], provider: FromPath[str]) -> Response[str]:
    """POST /api/webhooks/{provider}."""
    receivers: Receivers | None = request.app.state.receivers
    if receivers is None or provider not in receivers.translators:
        raise NotFound
    said = receivers.read(provider, request, await request.body())
    if isinstance(said, BadReceipt):
        if said.reason != "anonymous":  # SNS begins every report like that
            _log.warning("a report was refused", action="receipt_refused", provider=provider, reason=said.error)
        raise _REFUSALS[said.reason]()
    await receivers.book.enter(said)
    heard = any(isinstance(one, Receipt) and one.heard for one in said)
    return Response(thanks(request.query_params.get("lang", "en")) if heard else _EMPTY, media_type="text/xml")


WEBHOOK_ROUTES: tuple[HTTPRouteHandler, ...] = (take_report,)
