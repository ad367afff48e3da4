"""Whether a driver has a browser to push to."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
