"""What the tidy tests look at: the files of the repository, parsed once."""

import ast
import importlib
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

__all__ = [
    "REFERENCE",
    "ROOT",
    "SRC",
    "committed_files",
    "headings",
    "parse",
    "python_files",
    "relative",
    "slotwatch_modules",
    "sql_files",
    "strings_that_are_not_docstrings",
]

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "slotwatch"
REFERENCE = ROOT / "docs" / "reference"


def relative(path: Path) -> str:
    """The path as a person writes it."""
    return path.relative_to(ROOT).as_posix()


def python_files(*folders: str) -> list[Path]:
    """Every Python file below these folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def sql_files() -> list[Path]:
    """Every SQL file of the product; migrations are history and have no header."""
    return sorted(path for path in SRC.rglob("*.sql") if "migrations" not in path.parts)


@cache
def committed_files() -> tuple[Path, ...]:
    """Every file that is or would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


@cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def slotwatch_modules() -> tuple[ModuleType, ...]:
    """Every module of the product, imported; Alembic runs its scripts itself."""
    package = importlib.import_module("slotwatch")
    names = (info.name for info in pkgutil.walk_packages(package.__path__, "slotwatch."))
    wanted = [name for name in names if ".migrations" not in name and not name.endswith("__main__")]
    return (package, *(importlib.import_module(name) for name in wanted))


def strings_that_are_not_docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string in the code that is not a docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def headings(page: Path) -> set[str]:
    """What stands in backquotes in the headings of a page: one heading may name several things."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return {name for line in lines if line.startswith("#") for name in re.findall(r"`([^`]+)`", line)}
