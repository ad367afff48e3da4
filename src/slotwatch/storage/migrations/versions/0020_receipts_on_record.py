"""A receipt keeps the provider's own time and whether a key was pressed, and is found by its notice."""

from slotwatch.storage.migrations.sql_file import run_sql_beside

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands beside."""
    run_sql_beside(__file__)
