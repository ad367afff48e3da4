"""What every table of the declared schema is made from."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, MetaData
from sqlalchemy.dialects.postgresql import TIMESTAMP

__all__ = ["at_column", "id_column", "metadata", "one_of"]

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def id_column() -> Column[int]:
    """A number that the database gives."""
    return Column("id", BigInteger, Identity(), primary_key=True)


def at_column(name: str, *, nullable: bool = False) -> Column[object]:
    """An instant."""
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def one_of(column: str, values: object) -> CheckConstraint:
    """The column holds one of these words."""
    listed = ", ".join(f"'{value}'" for value in values)  # type: ignore[attr-defined]  # an enum class is iterable
    return CheckConstraint(f"{column} IN ({listed})", name=column)
