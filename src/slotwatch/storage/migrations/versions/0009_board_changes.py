"""What changed for whom: the source of the live board."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
