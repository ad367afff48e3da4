"""The tables of the domain and the constraints of a migrated database say the same."""

import asyncio
import re
from dataclasses import dataclass

import asyncpg
import pytest

from slotwatch.domain.lifecycle import FINAL_STATES, LIVE_STATES, TRANSITIONS, State, Step
from slotwatch.domain.money import Account, Entry, PaymentStatus
from slotwatch.domain.notices import Channel, DeliveryState
from slotwatch.storage.embedded import EmbeddedPostgres
from slotwatch.storage.migrate import differences, upgrade


@dataclass(frozen=True)
class Migrated:
    """What a database looks like after all migrations."""

    moves: set[tuple[str, str]]
    constraints: dict[str, str]
    differences: list[str]
    triggers: set[str]

    def words(self, constraint: str) -> set[str]:
        """The texts that a constraint names; empty when the constraint is missing."""
        return set(re.findall(r"'(\w+)'::text", self.constraints.get(constraint, "")))


async def _migrate_and_read(url: str) -> Migrated:
    await upgrade(url)
    conn = await asyncpg.connect(url)
    try:
        moves = await conn.fetch("SELECT from_state, to_state FROM allowed_transition")
        constraints = await conn.fetch(
            "SELECT conname, pg_get_constraintdef(oid) AS rule FROM pg_constraint"
            " WHERE connamespace = current_schema()::regnamespace"
        )
        triggers = await conn.fetch("SELECT tgrelid::regclass::text AS name FROM pg_trigger WHERE NOT tgisinternal")
    finally:
        await conn.close()
    return Migrated(
        moves={(row["from_state"], row["to_state"]) for row in moves},
        constraints={row["conname"]: row["rule"] for row in constraints},
        differences=await differences(url),
        triggers={row["name"] for row in triggers},
    )


@pytest.fixture(scope="module")
def migrated(server: EmbeddedPostgres) -> Migrated:
    """A fresh database, migrated."""
    return asyncio.run(_migrate_and_read(server.create_database("tidy")))


def test_the_database_allows_the_moves_of_the_table_and_no_other(migrated: Migrated) -> None:
    assert migrated.moves == {(source.value, target.value) for (source, _), target in TRANSITIONS.items()}


def test_the_history_refers_to_the_allowed_moves(migrated: Migrated) -> None:
    rule = migrated.constraints["transition_from_state_to_state_fkey"]
    assert "(from_state, to_state) REFERENCES allowed_transition(from_state, to_state)" in rule


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("booking_state_check", State),
        ("booking_step_check", Step),
        ("booking_final_has_no_due_check", FINAL_STATES),
        ("booking_slot_excl", LIVE_STATES),
        ("booking_payment_status_check", PaymentStatus),
        ("delivery_state_check", DeliveryState),
        ("delivery_channel_check", Channel),
        ("ledger_entry_check", Entry),
        ("ledger_debit_check", Account),
        ("ledger_credit_check", Account),
    ],
)
def test_a_constraint_names_what_the_domain_names(migrated: Migrated, constraint: str, words: list[str]) -> None:
    assert migrated.words(constraint) == {str(word) for word in words}


def test_alembic_would_not_notice_a_lost_exclusion_so_this_does(migrated: Migrated) -> None:
    assert migrated.constraints["booking_slot_excl"].startswith("EXCLUDE USING gist")


def test_history_evidence_and_ledger_are_append_only(migrated: Migrated) -> None:
    assert {"transition", "evidence", "ledger"} <= migrated.triggers


def test_the_declared_schema_is_the_migrated_one(migrated: Migrated) -> None:
    assert not migrated.differences
