"""A mail server and an SMS provider that take everything and keep who got what when: `python -m slotwatch.bench.sinks`.

They speak just enough SMTP (RFC 5321, with PIPELINING) and just enough HTTP to be sent to by the product's own channels
through real sockets, at a cost that is small beside that of sending. The process ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Callable
from typing import Any, cast

import uvloop

from slotwatch.bench.report import spread
from slotwatch.storage.clock import monotonic

_HELLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 33554432\r\n"
_END_OF_MAIL = b"\r\n.\r\n"
_MAIL_KEY = b"Message-ID: "
_SMS_KEY = b"i-twilio-idempotency-token: "


class Ledger:
    """What came in: the key of each message and when it was accepted, on the monotonic clock of this machine."""

    def __init__(self) -> None:
        self.accepted: list[tuple[bytes, float]] = []
        self._grown: Callable[[], None] = lambda: None
        self._wanted = 0

    def add(self, key: bytes) -> None:
        """One more message, accepted now."""
        self.accepted.append((key, monotonic()))
        if len(self.accepted) == self._wanted:
            self._grown()

    async def reaches(self, count: int) -> None:
        """Wait until so many messages are in."""
        reached = asyncio.Event()
        self._grown, self._wanted = reached.set, count
        if len(self.accepted) < count:
            await reached.wait()


class MailSink(asyncio.Protocol):
    """One SMTP connection."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pending = bytearray()
        self._in_mail = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not descend from it
        self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        pending = self._pending
        pending += data
        answers = []
        while True:
            end = pending.find(_END_OF_MAIL if self._in_mail else b"\r\n")
            if end < 0:
                break
            if self._in_mail:
                answers.append(self._mail(pending))
                del pending[: end + len(_END_OF_MAIL)]
            else:
                answers.append(self._command(bytes(pending[:4]).upper()))
                del pending[: end + 2]
        if answers:
            self._transport.write(b"".join(answers))

    def _mail(self, mail: bytearray) -> bytes:
        begin = mail.find(_MAIL_KEY) + len(_MAIL_KEY)
        self._ledger.add(bytes(mail[begin : mail.find(b"\r", begin)]))
        self._in_mail = False
        return b"250 2.0.0 Ok: queued as 4XyZ1s2T3u\r\n"

    def _command(self, verb: bytes) -> bytes:
        if verb == b"DATA":
            self._in_mail = True
            return b"354 go on\r\n"
        if verb == b"EHLO":
            return _HELLO
        if verb == b"QUIT":
            return b"221 bye\r\n"
        return b"250 2.0.0 Ok\r\n"


class SmsSink(asyncio.Protocol):
    """One HTTP connection; every request is answered as Twilio does when it takes a message."""

    def __init__(self, ledger: Ledger, numbers: itertools.count[int]) -> None:
        self._ledger = ledger
        self._numbers = numbers
        self._pending = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not descend from it

    def data_received(self, data: bytes) -> None:
        pending = self._pending
        pending += data
        while (end := pending.find(b"\r\n\r\n")) >= 0:
            head = bytes(pending[:end]).lower()
            whole = end + 4 + int(_header(head, b"content-length: ") or 0)
            if len(pending) < whole:
                return
            del pending[:whole]
            self._ledger.add(_header(head, _SMS_KEY))
            self._transport.write(_taken(next(self._numbers)))


def _header(head: bytes, name: bytes) -> bytes:
    begin = head.find(b"\r\n" + name)
    if begin < 0:
        return b""
    begin += 2 + len(name)
    end = head.find(b"\r\n", begin)
    return head[begin:] if end < 0 else head[begin:end]


def _taken(number: int) -> bytes:
    body = b'{"sid": "SM%032x", "status": "queued", "error_code": null, "error_message": null}' % number
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + body


async def _serve() -> None:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    mails, texts, numbers = Ledger(), Ledger(), itertools.count(1)
    smtp = await loop.create_server(lambda: MailSink(mails), "127.0.0.1", 0)
    http = await loop.create_server(lambda: SmsSink(texts, numbers), "127.0.0.1", 0)
    await reader.readline()  # the order of `crew`: there is nothing to choose
    _say(ready=True, smtp=smtp.sockets[0].getsockname()[1], http=http.sockets[0].getsockname()[1])
    while line := await reader.readline():
        order: dict[str, Any] = json.loads(line)
        mails.accepted.clear()
        texts.accepted.clear()
        _say(cleared=True)
        await asyncio.gather(mails.reaches(order["each"]), texts.reaches(order["each"]))
        _say(mails=_told(mails, order["since"]), texts=_told(texts, order["since"]))


def _told(ledger: Ledger, since: float) -> dict[str, Any]:
    instants = [at for _, at in ledger.accepted]
    return {
        "accepted": len(instants),
        "different": len({key for key, _ in ledger.accepted}),
        "last": max(instants),
        "late_ms": spread([(at - since) * 1000 for at in instants]),
    }


def _say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
