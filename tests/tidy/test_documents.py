"""The documents keep their shape: decisions fit one page, the README one screen."""

import re
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT, relative

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
DECISION_HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "What enforces it"]


@pytest.mark.parametrize("path", DECISIONS, ids=relative)
def test_a_decision_follows_the_template_and_fits_one_page(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == DECISION_HEADINGS
    assert text.startswith(f"# {path.stem[:4]}: "), "the title begins with the number"
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_readme_fits_one_screen() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 60


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    missing = [page.relative_to(docs).as_posix() for page in docs.rglob("*.md")]
    assert not [page for page in missing if page not in navigation]
