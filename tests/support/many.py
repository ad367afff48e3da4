"""Thousands of bookings at once, put in by SQL and not one by one by use cases."""

from datetime import datetime, timedelta

from slotwatch.domain.notices import DeliveryState
from slotwatch.domain.terms import Terms
from tests.conftest import NOON, Town
from tests.support.crew import Crew

__all__ = ["put_bookings"]

_PEOPLE = (
    "INSERT INTO driver (subject, name, email, phone, created_at)"
    " SELECT 'many-' || n, 'Driver ' || n, 'd' || n || '@example.org', '+1500555' || lpad(n::text, 5, '0'), $2"
    " FROM generate_series(1, $1) AS n ON CONFLICT DO NOTHING"
)
_CONNECTORS = (
    "INSERT INTO connector (station_id, label, type, power_kw, price_per_hour, currency, created_at)"
    " SELECT $2, 'M' || n, 'CCS', 50, 1250, 'EUR', $3 FROM generate_series(1, $1) AS n ON CONFLICT DO NOTHING"
)
_BOOKINGS = (
    "WITH c AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM connector WHERE label LIKE 'M%'),"
    " d AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM driver WHERE subject LIKE 'many-%'),"
    " b AS (INSERT INTO booking (id, vendor_id, station_id, connector_id, driver_id, state, step, due_at,"
    " check_in_opens_at, starts_at, grace_half_at, grace_last_at, grace_ends_at, expires_at, ends_at, terms, amount,"
    " currency, payment_status, version, epoch, created_at, updated_at)"
    " SELECT $1::bigint + c.n, $2, $3, c.id, d.id, 'confirmed', 'start', s.at, s.at - interval '15 minutes', s.at,"
    " s.at + $6::interval / 2, CASE WHEN $6 > interval '10 minutes' THEN s.at + $6 - interval '5 minutes' END,"
    " s.at + $6, s.at + $6 + interval '5 seconds', s.at + $7::interval, $8, 1250, 'EUR', 'paid', 1, 0, $9, $9"
    " FROM c JOIN d ON d.n = c.n CROSS JOIN LATERAL (SELECT $4::timestamptz + c.n * $5::interval AS at) AS s"
    " WHERE c.n <= $10 RETURNING id, ends_at),"
    " o AS (INSERT INTO notice (booking_id, kind, occasion, epoch, valid_until, created_at)"
    " SELECT id, 'booking_confirmed', '', 0, ends_at, $9 FROM b RETURNING id),"
    " q AS (INSERT INTO delivery (notice_id, channel, state, urgency, vendor_id, next_attempt_at)"
    " SELECT id, channel, $11, 1, $2, $9 FROM o CROSS JOIN unnest(ARRAY['email', 'sms']) AS channel),"
    " l AS (INSERT INTO ledger (booking_id, entry, debit, credit, amount, currency, at)"
    " SELECT id, 'captured', 'driver', 'held', 1250, 'EUR', $9 FROM b)"
    " INSERT INTO transition (booking_id, version, from_state, to_state, cause, actor, at)"
    " SELECT id, 1, NULL, 'confirmed', 'booked', 'test', $9 FROM b"
)


async def put_bookings(
    crew: Crew,
    town: Town,
    count: int,
    *,
    starts_at: datetime,
    apart: timedelta = timedelta(0),
    grace_minutes: int = 30,
    length: timedelta = timedelta(hours=1),
    confirmations: DeliveryState = DeliveryState.PENDING,
) -> list[int]:
    """Paid and confirmed bookings of as many drivers on as many connectors, and their confirmations as they stand.

    The n-th begins `n * apart` after `starts_at`.
    """
    first = 10_000_000
    terms = Terms(grace_period_minutes=grace_minutes).as_dict()
    async with crew.desk.database.transaction() as conn:
        await conn.execute(_PEOPLE, count, NOON)
        await conn.execute(_CONNECTORS, count, town.station, NOON)
        await conn.execute(
            _BOOKINGS,
            *(first, town.vendor, town.station, starts_at, apart, timedelta(minutes=grace_minutes), length),
            *(terms, NOON, count, confirmations.value),
        )
    return [first + n for n in range(1, count + 1)]
