"""The command line: `slotwatch <command>`. Heavy things are imported inside the commands, so that help is instant."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from slotwatch import __version__

__all__ = ["app", "main"]

app = App(
    name="slotwatch",
    help="Watches EV-charging bookings from confirmation to completion.",
    version=__version__,
    result_action="return_value",
)
db = App(name="db", help="The database schema.")
app.command(db)
notices = App(name="notices", help="What people are told, and what could not be told.")
app.command(notices)
bookings = App(name="bookings", help="Bookings that could not be moved.")
app.command(bookings)
suppressions = App(name="suppressions", help="Addresses to which nothing goes any more.")
app.command(suppressions)
vendor = App(name="vendor", help="Who owns stations.")
app.command(vendor)
staff = App(name="staff", help="Who may sign in for a vendor, or as operator.")
app.command(staff)
app.command("slotwatch.simulation.commands:app", name="simulate", help="Play a town on a movable clock.")
app.command("slotwatch.bench.commands:app", name="bench", help="Measure speed and memory against their limits.")

_NOT_UNDERSTOOD = 2
_EXIT_CODES = {"bad_setting": _NOT_UNDERSTOOD}
"""By error code; every other error of ours exits with 1."""

Host = Annotated[str | None, Parameter(help="Address to listen on, 127.0.0.1 unless given: any other lets others in.")]
Port = Annotated[int | None, Parameter(help="Port to listen on, 8080 unless given; 0 takes any free one.")]
Language = Annotated[str, Parameter(help="Of messages: en, de, es, fr, hi or ne.")]
OneChannel = Annotated[
    Literal["email", "sms", "whatsapp", "voice"] | None, Parameter(help="By this channel only: email, sms …")
]
ReportTable = Literal[
    "summary",
    "days",
    "hours",
    "weekdays",
    "hours-of-day",
    "grace",
    "deliveries",
    "deliveries-by-station",
    "stations",
    "connectors",
    "most-no-shows",
    "money",
    "money-by-group",
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]


@app.command
def up(
    *,
    host: Host = None,
    port: Port = None,
    demo: Annotated[bool, Parameter(help="Build a demo town and keep it alive.")] = True,
) -> None:
    """Start everything in one process: PostgreSQL (unless DATABASE_URL is set), engine, messages, web, demo town."""
    from slotwatch.processes.up import run_up

    run_up(host=host, port=port, demo=demo)


@app.command
def serve(*, host: Host = None, port: Port = None) -> None:
    """Answer HTTP. Run as many as you like over one database."""
    from slotwatch.processes.one import run_serve

    run_serve(host=host, port=port)


@app.command
def work() -> None:
    """Move bookings whose time has come and send messages. Run as many as you like over one database."""
    from slotwatch.processes.one import run_work

    run_work()


@db.command
def upgrade(*, json: Json = False) -> None:
    """Bring the schema to the version that this program needs. Safe to run twice and from several machines."""
    from slotwatch.processes.schema import run_upgrade

    run_upgrade(json=json)


@db.command
def status(*, json: Json = False) -> int:
    """Say which version the schema has and which is needed."""
    from slotwatch.processes.schema import run_status

    return run_status(json=json)


@db.command
def check() -> int:
    """Compare the migrated schema with the declared one, on a database of its own unless DATABASE_URL is set."""
    from slotwatch.processes.schema import run_check

    return run_check()


@notices.command
def preview(
    *,
    to: Annotated[Path | None, Parameter(help="Write them as files into this folder instead.")] = None,
    vendor: Annotated[str | None, Parameter(help="In the own wording of this vendor, such as VN-3.")] = None,
) -> None:
    """Show every kind of message in every language, in the browser."""
    from slotwatch.outbox.preview import run_preview
    from slotwatch.processes.session import read_settings

    settings = read_settings()
    page = f"{settings.notices.frontend_url}/inbox/preview"
    print(run_preview(settings.templates, page, to=to, vendor=vendor))  # noqa: T201


@notices.command(name="push-key")
def push_key() -> None:
    """Make a key for web push and print the settings that it goes into."""
    from slotwatch.processes.push_key import run_push_key

    run_push_key()


@notices.command
def dead(
    *, limit: Annotated[int, Parameter(help="How many at most, the newest first.")] = 50, json: Json = False
) -> None:
    """List deliveries that nobody will try again, and why."""
    from slotwatch.processes.dead import run_dead

    run_dead(limit=limit, json=json)


@notices.command
def retry(delivery: Annotated[str, Parameter(help="Its id, such as 12-email.")], /) -> None:
    """Try a dead delivery again."""
    from slotwatch.processes.dead import run_retry

    run_retry(delivery)


@notices.command
def discard(delivery: Annotated[str, Parameter(help="Its id, such as 12-email.")], /) -> None:
    """Put a dead delivery away: it counts as suppressed from then on."""
    from slotwatch.processes.dead import run_discard

    run_discard(delivery)


@suppressions.command(name="list")
def list_suppressions(
    *,
    channel: OneChannel = None,
    address: Annotated[str | None, Parameter(help="This one only.")] = None,
    limit: Annotated[int, Parameter(help="How many at most, the newest first.")] = 50,
    json: Json = False,
) -> None:
    """List addresses to which nothing goes any more by a channel, and why."""
    from slotwatch.processes.suppressions import run_suppressions

    run_suppressions(channel=channel, address=address, limit=limit, json=json)


@suppressions.command
def lift(
    address: Annotated[str, Parameter(help="Such as mira@example.org.")], /, *, channel: OneChannel = None
) -> None:
    """Let an address be written to again, by all channels unless one is named."""
    from slotwatch.processes.suppressions import run_suppressions_lift

    run_suppressions_lift(address, channel)


@bookings.command(name="set-aside")
def set_aside(*, limit: Annotated[int, Parameter(help="How many at most.")] = 50, json: Json = False) -> None:
    """List bookings that could not be moved three times."""
    from slotwatch.processes.stuck import run_set_aside

    run_set_aside(limit=limit, json=json)


@bookings.command(name="put-back")
def put_back(booking: Annotated[str, Parameter(help="Its id, such as BK-6K16K6G00000.")], /) -> None:
    """Put a booking that was set aside back on its timeline, once the cause is mended."""
    from slotwatch.processes.stuck import run_put_back

    run_put_back(booking)


@vendor.command(name="add")
def add_vendor(*, name: str, language: Language = "en", email: str | None = None) -> None:
    """Add a vendor and print its id."""
    from slotwatch.processes.people import run_vendor_add

    run_vendor_add(name=name, language=language, email=email)


@vendor.command(name="list")
def list_vendors(*, json: Json = False) -> None:
    """List the vendors."""
    from slotwatch.processes.people import run_vendor_list

    run_vendor_list(json=json)


@staff.command(name="add")
def add_staff(
    *,
    role: Literal["owner", "manager", "attendant", "operator"],
    email: Annotated[str, Parameter(help="Their own address: they sign in with it.")],
    name: str,
    vendor: Annotated[str | None, Parameter(help="Whose staff, such as VN-1; none for an operator.")] = None,
    language: Language = "en",
) -> None:
    """Let somebody in."""
    from slotwatch.processes.people import StaffWish, run_staff_add

    run_staff_add(StaffWish(vendor=vendor, role=role, name=name, email=email, language=language))


@staff.command(name="list")
def list_staff(*, json: Json = False) -> None:
    """List who may sign in as staff, and as what."""
    from slotwatch.processes.people import run_staff_list

    run_staff_list(json=json)


@staff.command(name="remove")
def remove_staff(email: Annotated[str, Parameter(help="The address with which they sign in.")], /) -> None:
    """Send somebody away: they are signed out everywhere at once."""
    from slotwatch.processes.people import run_staff_remove

    run_staff_remove(email)


@app.command
def token(
    *,
    role: Literal["driver", "vendor", "operator"],
    sub: Annotated[str, Parameter(help="Whom the token is for: a stable name or number.")],
    vendor_id: Annotated[str | None, Parameter(help="The vendor of a vendor token, such as VN-1.")] = None,
    name: str | None = None,
    email: str | None = None,
    phone: Annotated[str | None, Parameter(help="In E.164, such as +15005550006.")] = None,
    hours: Annotated[float, Parameter(help="How long the token is good.")] = 24,
) -> None:
    """Print one signed token for the HTTP API."""
    from slotwatch.processes.tokens import TokenWish, run_token

    run_token(TokenWish(role=role, subject=sub, vendor=vendor_id, name=name, email=email, phone=phone, hours=hours))


@app.command
def report(
    *,
    vendor: Annotated[str, Parameter(help="Whose numbers, such as VN-1.")],
    period: Literal["24h", "7d", "30d", "this-month", "last-month", "custom"] = "7d",
    first: Annotated[date | None, Parameter(name="--from", help="First day of a custom period.")] = None,
    last: Annotated[date | None, Parameter(name="--to", help="Its last day, today unless given.")] = None,
    station: Annotated[str | None, Parameter(help="One station only, such as ST-1.")] = None,
    table: Annotated[ReportTable | None, Parameter(help="One table only.")] = None,
    form: Annotated[Literal["text", "csv", "json"], Parameter(name="--format", help="For whom.")] = "text",
) -> None:
    """Print a vendor's numbers: those of the insights page."""
    from slotwatch.processes.report import ReportWish, run_report

    wish = ReportWish(vendor=vendor, period=period, first=first, last=last, station=station, table=table, form=form)
    run_report(wish)


@app.command
def doctor(*, json: Json = False) -> int:
    """Say in words what is wrong: database, schema, engine, messages, clocks, time zones, mail and SMS servers."""
    from slotwatch.processes.checkup import run_doctor

    return run_doctor(json=json)


def main() -> None:
    """Run the command line; ends the process."""
    try:
        result = app(exit_on_error=False)
    except CycloptsError:
        sys.exit(_NOT_UNDERSTOOD)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        _say(sentence)
        sys.exit(_EXIT_CODES.get(getattr(error, "code", ""), 1))
    sys.exit(result if isinstance(result, int) else 0)


def _sentence(error: Exception) -> str | None:
    """What to say about an error of ours; None for a bug, whose traceback somebody must see."""
    from slotwatch.domain.errors import SlotwatchError
    from slotwatch.storage.embedded_errors import EmbeddedPostgresError

    return str(error) if isinstance(error, SlotwatchError | EmbeddedPostgresError) else None


def _say(sentence: str) -> None:
    from rich.console import Console

    console: Any = Console(stderr=True, soft_wrap=True)
    console.print(sentence, style="red", markup=False, highlight=False)


if __name__ == "__main__":
    main()
