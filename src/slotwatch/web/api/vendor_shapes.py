"""The shapes of the vendor API: what requests hold and what answers hold, as API clients see them."""

from datetime import datetime
from typing import Annotated

import msgspec

from slotwatch.analytics.scope import TimeRange
from slotwatch.domain.alerts import AlertKind
from slotwatch.domain.lifecycle import State
from slotwatch.domain.notices import Channel
from slotwatch.usecases.vendor_disputes import Decision
from slotwatch.web.api.shapes import BookingOut, CancelTier, DeliveryOut, In, MoneyOut, Out
from slotwatch.web.contract import Line, Text

__all__ = [
    "CancelTierIn",
    "ConnectorChange",
    "ConnectorRequest",
    "DeliveryRate",
    "DriverOut",
    "GraceUtilisation",
    "MoneyIn",
    "NoShowGroup",
    "NoShowList",
    "OwnConnectorOut",
    "OwnStationList",
    "OwnStationOut",
    "ResolveRequest",
    "RevenueOut",
    "ShiftIn",
    "SlotList",
    "SlotMonitoring",
    "SlotOut",
    "StaffCancelRequest",
    "StationChange",
    "StationEfficiency",
    "StationRequest",
    "StatisticsOut",
    "VendorBookingOut",
    "VendorDisputeList",
    "VendorDisputeOut",
    "VendorTermsOut",
    "VendorTermsRequest",
]

Amounts = dict[str, int]
"""Minor units by ISO 4217 currency."""


class DriverOut(Out):
    """The person who booked."""

    name: str | None


class GraceUtilisation(Out):
    """`checkedInDuringGrace`: share of the check-ins that came after the start."""

    checked_in_during_grace: float | None
    median_minutes_into_grace: float | None


class DeliveryRate(Out):
    """`sent` counts what the provider accepted, `delivered` what is known to have arrived; `rate` is sent of both."""

    sent: int
    delivered: int
    failed: int
    rate: float | None


class StationEfficiency(Out):
    """Hours inside the time range. `utilisation`: used hours of available ones."""

    booked_hours: float
    used_hours: float
    available_hours: float
    utilisation: float | None


class RevenueOut(Out):
    """By currency, in minor units."""

    earned: Amounts
    forfeited: Amounts
    lost_to_no_shows: Amounts
    refunded: Amounts


class StatisticsOut(Out):
    """A rate with an empty denominator is null."""

    total_bookings: int
    by_status: dict[State, int]
    active_grace_periods: int
    no_show_rate: float | None
    no_show_rate_interval: tuple[float, float] | None
    completion_rate: float | None
    grace_utilisation: GraceUtilisation
    delivery_rates: dict[Channel, DeliveryRate]
    station_efficiency: StationEfficiency
    revenue: RevenueOut


class SlotOut(Out):
    """One slot on the board. `graceTimeRemaining` in seconds."""

    booking_id: str
    status: State
    station_id: str
    connector_label: str
    start_time: datetime
    end_time: datetime
    grace_time_remaining: int
    driver: DriverOut
    checked_in_at: datetime | None
    notifications: dict[str, dict[Channel, DeliveryOut]]


class SlotList(Out):
    """Live slots in the order of their start, then ended ones, the latest start first."""

    items: list[SlotOut]
    next_cursor: str | None


class SlotMonitoring(Out):
    """The vendor's board: bookings whose slot began in the time range, and those now live."""

    generated_at: datetime
    time_range: TimeRange
    statistics: StatisticsOut
    slots: SlotList


class NoShowGroup(Out):
    """`key`: the id of a station or connector, or an hour (0 to 23) or weekday (0 is Monday) in the station's zone."""

    key: str
    label: str
    expired: int
    checked_in: int
    no_show_rate: float | None
    no_show_rate_interval: tuple[float, float] | None


class NoShowList(Out):
    """No-show rates, group by group; groups without bookings are there with zeros."""

    generated_at: datetime
    time_range: TimeRange
    group_by: str
    items: list[NoShowGroup]
    next_cursor: str | None


class VendorBookingOut(BookingOut, kw_only=True):
    """A booking as staff at the station see it."""

    driver: DriverOut


class StaffCancelRequest(In):
    """Why; the driver is told. All of the money goes back."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class ResolveRequest(In):
    """`uphold`: it was a no-show; the note says why. `refund`: the no-show is voided and all of the money goes back."""

    decision: Decision
    note: Text | None = None


class VendorDisputeOut(Out):
    """A driver's word against a no-show. Its id is that of the booking."""

    id: str
    booking_id: str
    status: State
    station_id: str
    station_name: str
    connector_label: str
    start_time: datetime
    end_time: datetime
    amount: MoneyOut
    driver: DriverOut
    statement: str
    opened_at: datetime
    decision: Decision | None
    note: str | None
    decided_at: datetime | None


class VendorDisputeList(Out):
    """Disputes, the latest first."""

    items: list[VendorDisputeOut]
    next_cursor: str | None


WallTime = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["08:00"])]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
Zone = Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["Europe/Vienna"])]
Address = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=20, pattern=r"^[^\x00-\x1f\x7f]*$")]
PlugType = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["CCS"])]
Power = Annotated[float, msgspec.Meta(gt=0, le=10_000)]


Radius = Annotated[int, msgspec.Meta(ge=20, le=10_000)]


class ShiftIn(In):
    """Open on these weekdays (Monday is 0), by the station's wall clock; a close at or before `opens` is next day."""

    days: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=6)]], msgspec.Meta(min_length=1, max_length=7)]
    opens: WallTime
    closes: WallTime


Shifts = Annotated[list[ShiftIn], msgspec.Meta(max_length=50)]


class StationRequest(In):
    """A new station. No opening hours at all: always open.

    `checkInRadiusM`: how near, in metres, one must be to check in by code; null: anywhere. `rotatingCode`: its screen
    shows a code that changes.
    """

    name: Line
    address: Address
    latitude: Latitude
    longitude: Longitude
    time_zone: Zone
    opening_hours: Shifts = msgspec.field(default_factory=list)
    check_in_radius_m: Radius | None = None
    rotating_code: bool = False


class StationChange(In):
    """What is to change. Bookings that were made keep their instants."""

    name: Line | msgspec.UnsetType = msgspec.UNSET
    address: Address | msgspec.UnsetType = msgspec.UNSET
    latitude: Latitude | msgspec.UnsetType = msgspec.UNSET
    longitude: Longitude | msgspec.UnsetType = msgspec.UNSET
    time_zone: Zone | msgspec.UnsetType = msgspec.UNSET
    opening_hours: Shifts | msgspec.UnsetType = msgspec.UNSET
    check_in_radius_m: Radius | msgspec.UnsetType | None = msgspec.UNSET
    rotating_code: bool | msgspec.UnsetType = msgspec.UNSET


class MoneyIn(In):
    """An amount in minor units of an ISO 4217 currency."""

    amount: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]


class ConnectorRequest(In):
    """A new connector; its label is unique at the station."""

    label: Label
    type: PlugType
    power_kw: Power
    price_per_hour: MoneyIn


class ConnectorChange(In):
    """What is to change. Bookings that were made keep their price."""

    label: Label | msgspec.UnsetType = msgspec.UNSET
    type: PlugType | msgspec.UnsetType = msgspec.UNSET
    power_kw: Power | msgspec.UnsetType = msgspec.UNSET
    price_per_hour: MoneyIn | msgspec.UnsetType = msgspec.UNSET


class OwnConnectorOut(Out):
    """A connector."""

    connector_id: str
    label: str
    type: str
    power_kw: float
    price_per_hour: MoneyOut


class ShiftOut(Out):
    """Open on these weekdays (Monday is 0), by the station's wall clock."""

    days: list[int]
    opens: str
    closes: str


class OwnStationOut(Out):
    """A station with its connectors."""

    station_id: str
    name: str
    address: str
    latitude: float
    longitude: float
    time_zone: str
    opening_hours: list[ShiftOut]
    check_in_radius_m: int | None
    rotating_code: bool
    connectors: list[OwnConnectorOut]


class OwnStationList(Out):
    """The vendor's stations in the order in which they were made."""

    items: list[OwnStationOut]
    next_cursor: str | None


class CancelTierIn(In):
    """Up to so many minutes before the start, a cancel gives that share back."""

    until_minutes_before: Annotated[int, msgspec.Meta(ge=0, le=525_600)]
    percent: Annotated[int, msgspec.Meta(ge=0, le=100)]


class AlertRulesIn(In):
    """From where on to alert; what is left out is as the house has it. `off`: the kinds that are not wanted."""

    no_show_days: Annotated[int, msgspec.Meta(ge=1, le=60)] | msgspec.UnsetType = msgspec.UNSET
    no_show_bookings: Annotated[int, msgspec.Meta(ge=5, le=1000)] | msgspec.UnsetType = msgspec.UNSET
    no_show_floor_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] | msgspec.UnsetType = msgspec.UNSET
    silent_bookings: Annotated[int, msgspec.Meta(ge=3, le=100)] | msgspec.UnsetType = msgspec.UNSET
    failure_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] | msgspec.UnsetType = msgspec.UNSET
    failure_messages: Annotated[int, msgspec.Meta(ge=5, le=100_000)] | msgspec.UnsetType = msgspec.UNSET
    off: Annotated[list[AlertKind], msgspec.Meta(max_length=20)] | msgspec.UnsetType = msgspec.UNSET


class VendorTermsRequest(In):
    """The terms of bookings made from now on; what is left out is as the house has it.

    Without `alerts`, these stay as they are.
    """

    grace_period_minutes: Annotated[int, msgspec.Meta(ge=1, le=480)] | msgspec.UnsetType = msgspec.UNSET
    early_check_in_minutes: Annotated[int, msgspec.Meta(ge=0, le=240)] | msgspec.UnsetType = msgspec.UNSET
    reminder_minutes: Annotated[int, msgspec.Meta(ge=0, le=10_080)] | msgspec.UnsetType = msgspec.UNSET
    settle_seconds: Annotated[int, msgspec.Meta(ge=0, le=60)] | msgspec.UnsetType = msgspec.UNSET
    no_show_refund: Annotated[str, msgspec.Meta(pattern="^none$")] | msgspec.UnsetType = msgspec.UNSET
    cancel_refund: Annotated[list[CancelTierIn], msgspec.Meta(max_length=20)] | msgspec.UnsetType = msgspec.UNSET
    alerts: AlertRulesIn | msgspec.UnsetType = msgspec.UNSET


class AlertRulesOut(Out):
    """From where on you are alerted, and the kinds that are switched off."""

    no_show_days: int
    no_show_bookings: int
    no_show_floor_percent: int
    silent_bookings: int
    failure_percent: int
    failure_messages: int
    off: list[AlertKind]


class VendorTermsOut(Out):
    """The terms that the next booking gets, and from where on you are alerted."""

    grace_period_minutes: int
    early_check_in_minutes: int
    reminder_minutes: int
    settle_seconds: int
    no_show_refund: str
    cancel_refund: list[CancelTier]
    alerts: AlertRulesOut
