"""Runs the SQL that stands beside a migration."""

from pathlib import Path

from alembic import op

__all__ = ["run_sql_beside"]


def run_sql_beside(migration: str) -> None:
    """The `.sql` file of that name; statements end with a semicolon before an empty line."""
    script = Path(migration).with_suffix(".sql").read_text(encoding="utf-8")
    for statement in script.split(";\n\n"):
        op.get_bind().exec_driver_sql(statement.rstrip(";\n"))
