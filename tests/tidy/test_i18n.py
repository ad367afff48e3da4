"""Every word of our messages is translated into every language, with the same values in it."""

import importlib.util
from types import ModuleType

import pytest

from slotwatch.locale.catalogues import DEFAULT, FOLDER, LANGUAGES
from tests.tidy.tree import ROOT

TRANSLATED = [code for code in LANGUAGES if code != DEFAULT]


@pytest.fixture(scope="module")
def i18n() -> ModuleType:
    spec = importlib.util.spec_from_file_location("i18n", ROOT / "scripts" / "i18n.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_catalogue_is_complete_and_true_to_the_english(code: str, i18n: ModuleType) -> None:
    assert not list(i18n.faults(code, i18n.wanted())), "run: make i18n ARGS=update, then translate what is new"


def test_there_is_a_catalogue_for_every_language_and_for_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.po")) == sorted(TRANSLATED)


def test_the_check_finds_what_it_should(i18n: ModuleType) -> None:
    source = i18n.wanted()
    source.add("Brand new %(thing)s")
    assert list(i18n.faults("de", source)) == ["de.po: not translated: 'Brand new %(thing)s'"]
    known = source.get("Check in by %(deadline)s")
    found = i18n.read_catalogue("de").get("Check in by %(deadline)s")
    found.string = "Bis %(dedline)s <b> 100 %"
    assert len(list(i18n._wrong(known, found))) == 3
