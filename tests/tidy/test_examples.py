"""The examples in docstrings are true."""

import doctest
from pathlib import Path
from types import ModuleType

import pytest

from tests.tidy.tree import slotwatch_modules


def _shows_examples(module: ModuleType) -> bool:
    return module.__file__ is not None and ">>> " in Path(module.__file__).read_text(encoding="utf-8")


WITH_EXAMPLES = [module for module in slotwatch_modules() if _shows_examples(module)]


@pytest.mark.parametrize("module", WITH_EXAMPLES, ids=lambda module: module.__name__)
def test_the_examples_are_true(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0 and results.failed == 0
