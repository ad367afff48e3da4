"""What `up` prints when it is ready: where everything is, and commands to try that work by copy and paste."""

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from slotwatch.config import Settings, without_password
from slotwatch.demo.flow import Flow
from slotwatch.demo.places import OPERATOR, OWNERS, VISITOR
from slotwatch.demo.seed import DemoTown
from slotwatch.demo.try_it import commands
from slotwatch.web.auth import TokenSigner

__all__ = ["Welcome", "welcome"]

_WHO = f"{OWNERS[0]} (vendor), {OPERATOR} (operator) or {VISITOR.email} (driver)"
_TOKEN_LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class Welcome:
    """What there is to say."""

    settings: Settings
    url: str
    database: str
    signer: TokenSigner
    flow: Flow | None
    now: datetime


def welcome(said: Welcome) -> None:
    """Print it on standard output."""
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # paths may hold brackets
    console.print(Panel.fit(_addresses(said), title="slotwatch is up", border_style="green"))
    if said.flow is not None:
        _print_trial(console, said, said.flow)
    console.print("Stop with Ctrl-C. What happens is logged below.", style="dim")
    sys.stdout.flush()


def _addresses(said: Welcome) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    rows = [("start page", said.url + "/")]
    if said.flow is not None:
        rows.append(("sign in", f"{said.url}/sign-in   (as {_WHO}; the code comes to the local inbox)"))
        rows.append(("demo town", f"{said.url}/town   (grace is {said.flow.town.grace_minutes} minutes there)"))
    rows += [
        ("local inbox", said.url + "/inbox"),
        ("API", f"{said.url}/docs"),
        ("data", _data(said)),
        ("e-mail", _channel(said, "email")),
        ("SMS", _channel(said, "sms")),
    ]
    for name, value in rows:
        table.add_row(name, value)
    return table


def _data(said: Welcome) -> str:
    if said.settings.database.url is not None:
        return without_password(said.database)
    return f"{said.settings.data_dir} (PostgreSQL of our own, {without_password(said.database)})"


def _channel(said: Welcome, channel: str) -> str:
    """Whether people are really told."""
    settings = said.settings
    if channel not in settings.notices.channels:
        return f"switched off ({'EMAIL_ENABLED' if channel == 'email' else 'SMS_ENABLED'})"
    if channel == "email" and settings.smtp.configured:
        return f"sent by {settings.smtp.host}"
    if channel == "sms" and settings.twilio.configured:
        return "sent by Twilio"
    variable = "SLOTWATCH_SMTP_HOST" if channel == "email" else "SLOTWATCH_TWILIO_ACCOUNT_SID"
    return f"not sent: kept in the local inbox (until {variable} is set)"


def _print_trial(console: Console, said: Welcome, flow: Flow) -> None:
    driver, vendor = _tokens(said.signer, flow.town)
    console.print("\nTry it: copy these lines into another terminal.", style="bold")
    _plain(console, f"export TOKEN={driver}")
    for explanation, command in commands(said.url, flow.town, flow.visitor_booking, said.now):
        console.print(f"\n# {explanation}", style="green")
        _plain(console, command)
    console.print("\n# A vendor's token, good for 7 days like the driver's", style="green")
    _plain(console, f"export VENDOR_TOKEN={vendor}\n")


def _plain(console: Console, line: str) -> None:
    """One line, never broken or coloured, so that it can be copied."""
    console.print(line, no_wrap=True, overflow="ignore", crop=False)


def _tokens(signer: TokenSigner, town: DemoTown) -> tuple[str, str]:
    you = town.visitor
    driver = signer.issue(
        you.subject, "driver", name=you.name, email=you.email, phone=you.phone, lifetime=_TOKEN_LIFETIME
    )
    return driver, signer.issue("demo-vendor", "vendor", vendor_id=town.vendors[0], lifetime=_TOKEN_LIFETIME)
