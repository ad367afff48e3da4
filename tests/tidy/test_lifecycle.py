"""One transition table: the picture and the tables in the docs are written from it."""

import importlib.util
from types import ModuleType

import pytest

from slotwatch.domain.lifecycle import Cause, State
from tests.tidy.tree import ROOT

REDO = "stale: run .venv/bin/python scripts/lifecycle_diagram.py"


@pytest.fixture(scope="module")
def diagram() -> ModuleType:
    """The script that writes the diagram."""
    spec = importlib.util.spec_from_file_location("lifecycle_diagram", ROOT / "scripts" / "lifecycle_diagram.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_diagram_shows_the_table(diagram: ModuleType) -> None:
    assert diagram.SVG.read_text(encoding="utf-8") == diagram.svg(), REDO


def test_the_lifecycle_page_shows_the_table(diagram: ModuleType) -> None:
    page = diagram.PAGE.read_text(encoding="utf-8")
    assert page == diagram.page(page), REDO


def test_every_state_has_a_place_and_every_cause_has_words(diagram: ModuleType) -> None:
    assert set(diagram.CENTRES) == set(State)
    assert set(diagram.CAUSE_WORDS) == set(Cause)
