"""Of what providers say about one address, what happened last counts."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
