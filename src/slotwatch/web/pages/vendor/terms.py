"""Terms, profile and alert rules of a vendor, with a preview of the terms as a driver will read them."""

from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from slotwatch.domain.alerts import VENDOR_KINDS, AlertKind, AlertRules
from slotwatch.domain.errors import InvalidInput
from slotwatch.domain.money import Money
from slotwatch.domain.terms import Terms
from slotwatch.locale.catalogues import LANGUAGES, language
from slotwatch.usecases import vendor_setup
from slotwatch.usecases.vendor_setup import list_own_stations
from slotwatch.usecases.vendors import VendorProfile, read_profile, set_alert_rules, set_profile
from slotwatch.web.api.shapes import In
from slotwatch.web.api.vendor_shapes import VendorTermsRequest
from slotwatch.web.contact import checked_email, checked_name
from slotwatch.web.pages.filled import Filled, as_number, read_filled, read_shape
from slotwatch.web.pages.shell import show
from slotwatch.web.pages.vendor.stations import desk_of, with_refusal
from slotwatch.web.pages.vendor.terms_preview import Preview, preview_terms
from slotwatch.web.problems import FieldError, FieldsRefused
from slotwatch.web.visitors import PageRequest, Visitor, go

__all__ = ["TERMS_PAGES"]

_FEWEST_LINES = 6
_MOST_LINES = 100
_SAID = {
    "terms": "Saved. Bookings made from now on have these terms; those made before keep theirs.",
    "profile": "Saved.",
    "alerts": "Saved. They count from the next minute on.",
}
_ALERTS = {
    AlertKind.HIGH_NO_SHOW_RATE: "a station has surely more no-shows than usual",
    AlertKind.NO_CHECK_INS: "nobody checks in at a station",
    AlertKind.DELIVERY_FAILURES: "messages fail on a channel",
    AlertKind.SPEND_CAP: "the day's messages reach their cap",
    AlertKind.OUTAGE: "slotwatch itself was not available",
}
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


class _AlertRequest(In):
    """The thresholds as they are typed; what makes no sense is refused by the domain, too."""

    no_show_days: Annotated[int, msgspec.Meta(ge=1, le=60)]
    no_show_bookings: Annotated[int, msgspec.Meta(ge=5, le=1000)]
    no_show_floor_percent: Percent
    silent_bookings: Annotated[int, msgspec.Meta(ge=3, le=100)]
    failure_percent: Annotated[int, msgspec.Meta(ge=1, le=100)]
    failure_messages: Annotated[int, msgspec.Meta(ge=5, le=100_000)]


@get("/vendor/terms", include_in_schema=False)
async def show_terms(request: PageRequest) -> Response[str]:
    """GET /vendor/terms."""
    return await _page(request, {})


@post("/vendor/terms", include_in_schema=False)
async def save_terms(request: PageRequest) -> Response[Any]:
    """POST /vendor/terms."""
    visitor: Visitor = request.user
    filled = await read_filled(request)
    try:
        kept = await vendor_setup.read_terms(desk_of(request), visitor.vendor_id)  # set by API, not on this page
        given = _without_the_house(request, {**_terms_given(filled), "settleSeconds": kept.settle_seconds})
        await vendor_setup.set_terms(desk_of(request), visitor.vendor_id, given)
    except (FieldsRefused, InvalidInput) as error:
        return await _page(request, {"terms": with_refusal(filled, error, "cancelRefund")}, status=422)
    return go("/vendor/terms?done=terms")


@post("/vendor/terms/preview", include_in_schema=False)
async def preview(request: PageRequest) -> Response[str]:
    """POST /vendor/terms/preview: the part of the page beside the form, as the form stands. Stores nothing."""
    filled = await read_filled(request)
    try:
        terms = Terms.from_dict({**desk_of(request).settings.house_terms().as_dict(), **_terms_given(filled)})
    except InvalidInput as error:
        return show(request, "setup_terms_preview.html", preview=None, refusal=error.message)
    return show(request, "setup_terms_preview.html", preview=await _preview(request, terms), refusal="")


@post("/vendor/terms/profile", include_in_schema=False)
async def save_profile(request: PageRequest) -> Response[Any]:
    """POST /vendor/terms/profile."""
    visitor: Visitor = request.user
    filled = await read_filled(request)
    try:
        kept = await read_profile(desk_of(request), visitor.vendor_id)
        await set_profile(desk_of(request), _profile(filled, kept))
    except (FieldsRefused, InvalidInput) as error:
        return await _page(request, {"profile": with_refusal(filled, error, "name")}, status=422)
    return go("/vendor/terms?done=profile")


@post("/vendor/terms/alerts", include_in_schema=False)
async def save_alerts(request: PageRequest) -> Response[Any]:
    """POST /vendor/terms/alerts."""
    visitor: Visitor = request.user
    filled = await read_filled(request)
    try:
        await set_alert_rules(desk_of(request), visitor.vendor_id, _rules(filled))
    except (FieldsRefused, InvalidInput) as error:
        return await _page(request, {"alerts": with_refusal(filled, error, "noShowDays")}, status=422)
    return go("/vendor/terms?done=alerts")


async def _page(request: PageRequest, forms: Mapping[str, Filled], *, status: int = 200) -> Response[str]:
    visitor: Visitor = request.user
    terms = await vendor_setup.read_terms(desk_of(request), visitor.vendor_id)
    terms_form = forms.get("terms") or Filled(_terms_fields(terms))
    profile = await read_profile(desk_of(request), visitor.vendor_id)
    return show(
        request,
        "setup_terms.html",
        status=status,
        said=_SAID.get(request.query_params.get("done", "")),
        terms=terms_form,
        tiers=range(max(_FEWEST_LINES, _lines(terms_form) + 1)),
        profile=forms.get("profile") or Filled(_profile_fields(profile)),
        alerts=forms.get("alerts") or Filled(_alert_fields(profile.rules)),
        kinds=[(f"on-{kind.value}", _ALERTS[kind]) for kind in VENDOR_KINDS],
        languages=[(code, language(code).name) for code in LANGUAGES],
        preview=await _preview(request, terms),
        refusal="",
    )


async def _preview(request: PageRequest, terms: Terms) -> Preview:
    """With the zone and the price of the vendor's first station, or what stands for them."""
    desk = desk_of(request)
    visitor: Visitor = request.user
    stations = await list_own_stations(desk, visitor.vendor_id, limit=1)
    prices = [one.price_per_hour for station in stations for one in station.connectors]
    spoken = language((await read_profile(desk, visitor.vendor_id)).language)
    async with desk.database.connection() as conn:
        now = await desk.clock.now(conn)
    return preview_terms(
        terms,
        spoken,
        now=now,
        zone=ZoneInfo(stations[0].zone if stations else "UTC"),
        price=prices[0] if prices else Money(1250, "EUR"),
    )


def _terms_given(filled: Filled) -> dict[str, Any]:
    """The form as stored terms. Raises FieldsRefused."""
    tiers = []
    for number in range(_lines(filled)):
        hours, percent = filled[f"hours-{number}"], filled[f"percent-{number}"]
        if not hours and not percent:
            continue
        try:
            minutes = round(float(as_number(hours)) * 60)
            tiers.append({"untilMinutesBefore": minutes, "percent": int(percent)})
        except (ValueError, OverflowError) as error:
            said = f"Line {number + 1} needs hours and a percentage, such as 24 and 100."
            raise FieldsRefused(FieldError("cancelRefund", said)) from error
    names = ("gracePeriodMinutes", "earlyCheckInMinutes", "reminderMinutes")
    asked = read_shape({**{name: filled[name] for name in names}, "cancelRefund": tiers}, VendorTermsRequest)
    given: dict[str, Any] = msgspec.to_builtins(asked)
    Terms.from_dict(given)
    return given


def _lines(filled: Filled) -> int:
    """How many lines of refunds are used: as many as the vendor has, however many that are."""
    used = [n for n in range(_MOST_LINES) if filled[f"hours-{n}"] or filled[f"percent-{n}"]]
    return used[-1] + 1 if used else 0


def _without_the_house(request: PageRequest, given: dict[str, Any]) -> dict[str, Any]:
    """What is as the house has it stays open, so that it follows the house when that changes."""
    house = desk_of(request).settings.house_terms().as_dict()
    return {name: value for name, value in given.items() if value != house[name]}


def _terms_fields(terms: Terms) -> dict[str, str]:
    stored = terms.as_dict()
    fields = {name: str(stored[name]) for name in ("gracePeriodMinutes", "earlyCheckInMinutes", "reminderMinutes")}
    for number, tier in enumerate(terms.cancel_refund):
        fields[f"hours-{number}"] = f"{tier.until_minutes_before / 60:g}"
        fields[f"percent-{number}"] = str(tier.percent)
    return fields


def _profile(filled: Filled, kept: VendorProfile) -> VendorProfile:
    try:
        name = checked_name(filled["name"])
    except ValueError as error:
        raise FieldsRefused(FieldError("name", f"{error}.")) from error
    try:
        email = checked_email(filled["email"]) if filled["email"] else None
    except ValueError as error:
        raise FieldsRefused(FieldError("email", str(error))) from error
    cap = None
    if filled["spendCap"]:
        try:
            cap = round(float(as_number(filled["spendCap"])) * 100)
        except (ValueError, OverflowError) as error:
            raise FieldsRefused(FieldError("spendCap", "An amount is needed, such as 25.")) from error
    return VendorProfile(
        id=kept.id, name=name, language=filled["language"], email=email, spend_cap=cap, rules=kept.rules
    )


def _profile_fields(profile: VendorProfile) -> dict[str, str]:
    return {
        "name": profile.name,
        "language": profile.language,
        "email": profile.email or "",
        "spendCap": "" if profile.spend_cap is None else f"{profile.spend_cap / 100:.2f}",
    }


def _rules(filled: Filled) -> AlertRules:
    names = (
        "noShowDays",
        "noShowBookings",
        "noShowFloorPercent",
        "silentBookings",
        "failurePercent",
        "failureMessages",
    )
    asked = read_shape({name: filled[name] for name in names}, _AlertRequest)
    off = [kind.value for kind in VENDOR_KINDS if not filled[f"on-{kind.value}"]]
    return AlertRules.from_dict({**msgspec.to_builtins(asked), "off": off})


def _alert_fields(rules: AlertRules) -> dict[str, str]:
    stored = rules.as_dict()
    off = stored.pop("off")
    switches = {f"on-{kind.value}": "" if kind in off else "true" for kind in VENDOR_KINDS}
    return {**{name: str(value) for name, value in stored.items()}, **switches}


TERMS_PAGES: tuple[HTTPRouteHandler, ...] = (show_terms, save_terms, preview, save_profile, save_alerts)
