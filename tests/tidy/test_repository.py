"""What is committed fits every machine: no paths of one machine, no registry, no loose ends."""

import re
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT, committed_files, relative

TEXT = {".py", ".sql", ".md", ".sh", ".toml", ".yml", ".yaml", ".json", ".html", ".css", ".js", ".txt", ".lock", ".svg"}
# Written so that none of them matches itself.
ONE_MACHINE = re.compile(r"(?<![\w.:/])/(?:root|work|home/\w+|Users/\w+)/")
REGISTRY = re.compile(r"pypi\.(?:org|io)|(?:files\.)?pythonhosted\.|registry\.[n]pmjs|[e]xtra-index-url|\"resolved\":")
LOOSE_END = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")

FILES = [path for path in committed_files() if path.suffix in TEXT or path.name in ("Makefile", "run", ".npmrc")]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_names_no_machine_no_registry_and_no_loose_end(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = [match.group(0) for pattern in (ONE_MACHINE, REGISTRY, LOOSE_END) for match in pattern.finditer(text)]
    assert not found


def test_the_lock_holds_hashes_and_no_addresses() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w.\[\]-]+==\S+).*\n((?:    --hash=\S+.*\n)*)", lock, re.MULTILINE)
    assert pinned and all(hashes for _, hashes in pinned)
    assert "://" not in lock
