"""The Twilio-compatible server that we did not write (npm `emulate`), as a process on a free loopback port.

What it does, read in its source and tried (0.8.0): it keeps accounts, numbers and messages, checks the account and the
token (401 and code 20003, 403 for another account's), wants `To` in E.164 (400 and 21201) and a `From` of the account
(400 and 21606; 21603 when none is given), answers 201 with status `queued`, and sends status callbacks signed with
`X-Twilio-Signature` when a test moves a message on (`move`). It ignores idempotency tokens, knows no STOP list, never
answers 429 or 5xx and never fails a message by itself: such answers come from
`tests/integration/channels/http_double.py`.

Left to itself it listens on every interface; lines of ours that Node runs first keep it on loopback, and end it when
the tests that started it are gone, however they went.
"""

import contextlib
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

__all__ = ["TwilioDouble", "node_program", "twilio_double", "wait_until_ready"]

_ROOT = Path(__file__).parent.parent
_PROGRAM = _ROOT / "node_modules" / "emulate" / "dist" / "index.js"
_READY = "slotwatch-double-port:"
_START_SECONDS = 20.0
# Overrides where the server listens, says where that is once it does, and ends with the pipe that we hold.
_LOOPBACK_ONLY = f"""
import net from "node:net";
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function () {{
  this.once("listening", () => console.log("{_READY}" + this.address().port));
  return listen.call(this, {{ port: 0, host: "127.0.0.1" }});
}};
process.stdin.on("end", () => process.exit()).resume();
"""


@dataclass(frozen=True)
class TwilioDouble:
    """A running double and what it was born with."""

    base_url: str
    account_sid: str = "AC00000000000000000000000000000000"
    auth_token: str = "twilio_test_auth_token"
    number: str = "+15551234567"

    def messages(self, to: str) -> list[dict[str, object]]:
        """The messages that the double keeps for `to`, newest first."""
        return self.kept("Messages", to)

    def kept(self, what: str, to: str) -> list[dict[str, object]]:
        """The "Messages" or "Calls" that the double keeps for `to`, newest first."""
        answer = self._ask("GET", f"/2010-04-01/Accounts/{self.account_sid}/{what}.json", {"To": to})
        found: list[dict[str, object]] = answer[what.lower()]  # type: ignore[assignment]
        return found

    def move(self, sid: str, status: str) -> None:
        """Let a message or a call become `status`; the double calls its `StatusCallback` with a signature."""
        kind, name = ("call", "CallSid") if sid.startswith("CA") else ("message", "MessageSid")
        self._ask("POST", f"/_twilio/simulate/{kind}-status", {name: sid, "Status": status})

    def _ask(self, method: str, path: str, values: dict[str, str]) -> dict[str, object]:
        with httpx.Client(auth=(self.account_sid, self.auth_token), trust_env=False, timeout=10) as client:
            url = self.base_url + path
            answer = client.get(url, params=values) if method == "GET" else client.post(url, data=values)
            answer.raise_for_status()
            body: dict[str, object] = answer.json()
            return body


@contextlib.contextmanager
def twilio_double() -> Iterator[TwilioDouble]:
    """Start the double, stop it at the end."""
    if not _PROGRAM.exists():
        raise RuntimeError("the Twilio double is not installed: run `make setup` (or `npm ci`)")
    process = subprocess.Popen(
        [
            node_program(),
            "--import",
            "data:text/javascript," + "".join(_LOOPBACK_ONLY.split("\n")),
            str(_PROGRAM),
            "start",
            "--service",
            "twilio",
        ],
        cwd=_ROOT,
        env={"PATH": os.environ.get("PATH", ""), "NO_COLOR": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield TwilioDouble(f"http://127.0.0.1:{wait_until_ready(process, _READY)}")
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()
        assert process.stdout is not None
        process.stdout.close()


def node_program() -> str:
    found = shutil.which("node", path=f"{_ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise RuntimeError("Node.js is not installed: run `make setup`")
    return found


def wait_until_ready(process: subprocess.Popen[str], ready: str) -> int:
    """The port that the process prints after the words `ready`. Raises RuntimeError with what it said instead."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while we read: the double was stopped
            for line in process.stdout:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    said = []
    with contextlib.suppress(queue.Empty):
        while (line := lines.get(timeout=_START_SECONDS)) is not None:
            if line.startswith(ready):
                return int(line.removeprefix(ready))
            said.append(line)
    raise RuntimeError("a test server did not start: " + "".join(said)[-2000:])
