"""Triggers look rows up by their key, whatever PostgreSQL believes about the size of tables."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
