"""The push service that we did not write (npm `web-push-testing`), as a process on a free loopback port.

It plays browser and push service at once: it subscribes, checks the VAPID signature against the key that was subscribed
with, decrypts what comes in and shows it. It never answers 429 or 5xx; such answers come from
`tests/integration/channels/http_double.py`. Lines of ours that Node runs first keep it on loopback, and end it when the
tests that started it are gone.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.twilio_double import node_program, wait_until_ready

__all__ = ["Browser", "PushDouble", "push_double"]

_ROOT = Path(__file__).parent.parent
_PACKAGE = _ROOT / "node_modules" / "web-push-testing"
_READY = "slotwatch-push-port:"
# The package takes its port from the command line and writes it into the addresses that it gives out, so the port is
# chosen here: by listening on any, and telling the package which one it was.
_START = f"""
const net = require("node:net");
const Server = require({json.dumps(str(_PACKAGE / "src" / "server.js"))});
const {{ PushApiModel }} = require({json.dumps(str(_PACKAGE / "src" / "PushApiModel.js"))});
const listen = net.Server.prototype.listen;
const free = net.createServer();
listen.call(free, 0, "127.0.0.1", () => {{
  const port = free.address().port;
  net.Server.prototype.listen = function (_, ready) {{
    free.close(() => listen.call(this, port, "127.0.0.1", ready));
    return this;
  }};
  new Server(new PushApiModel(), port).startServer();
  process.stdin.on("end", () => process.exit()).resume();
}});
const log = console.log;
console.log = (text) => log(String(text).replace("Server running on port ", "{_READY}"));
"""


@dataclass(frozen=True)
class Browser:
    """A browser that subscribed."""

    subscription: str
    client: str


@dataclass(frozen=True)
class PushDouble:
    """A running push service."""

    base_url: str

    def subscribe(self, public_key: str) -> Browser:
        """A new browser, which takes messages signed by that key only."""
        data = self._ask("/subscribe", {"userVisibleOnly": "true", "applicationServerKey": public_key})["data"]
        return Browser(json.dumps(data), data["clientHash"])

    def expire(self, browser: Browser) -> None:
        """Let the subscription end."""
        self._ask(f"/expire-subscription/{browser.client}", {})

    def shown(self, browser: Browser) -> list[dict[str, Any]]:
        """What the browser decrypted, oldest first."""
        messages = self._ask("/get-notifications", {"clientHash": browser.client})["data"]["messages"]
        return [json.loads(message) for message in messages]

    def _ask(self, path: str, values: dict[str, str]) -> dict[str, Any]:
        with httpx.Client(trust_env=False, timeout=10) as client:
            answer = client.post(self.base_url + path, json=values)
            answer.raise_for_status()
            body: dict[str, Any] = answer.json() if answer.text.startswith("{") else {}
            return body


@contextlib.contextmanager
def push_double() -> Iterator[PushDouble]:
    """Start the double, stop it at the end."""
    if not _PACKAGE.exists():
        raise RuntimeError("the push double is not installed: run `make setup` (or `npm ci`)")
    process = subprocess.Popen(
        [node_program(), "-e", _START],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield PushDouble(f"http://127.0.0.1:{wait_until_ready(process, _READY)}")
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.stdout.close()
