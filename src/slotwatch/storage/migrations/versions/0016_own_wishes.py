"""A delivery says whether the driver's own wish kept it back."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
