"""The outbox: whose turn it is among vendors, what was handed over without an answer, what a recipient got today."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
