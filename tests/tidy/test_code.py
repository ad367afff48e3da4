"""The code is small and plain: sizes, parameters, names, docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.tree import parse, python_files, relative

FILE_LINES = 400
FUNCTION_LINES = 70
PARAMETERS = 5
VAGUE_NAMES = {"utils", "util", "core", "common", "manager", "helpers", "helper", "misc"}

ALL_CODE = python_files("src", "tests", "scripts")
PRODUCT = python_files("src", "scripts")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _is_migration(path: Path) -> bool:
    return "versions" in path.parts


def _functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(parse(path)) if isinstance(node, Function))


def _positional_parameters(function: Function) -> int:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


@pytest.mark.parametrize("path", ALL_CODE, ids=relative)
def test_a_file_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", ALL_CODE, ids=relative)
def test_a_file_begins_with_what_it_is_for(path: Path) -> None:
    tree = parse(path)
    assert not tree.body or ast.get_docstring(tree), "the first line of a module says what it is for"


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_functions_are_short_and_take_few_parameters(path: Path) -> None:
    too_long = [
        f"{function.name} (line {function.lineno}) has {function.end_lineno - function.lineno + 1} lines"
        for function in _functions(path)
        if function.end_lineno is not None
        and function.end_lineno - function.lineno + 1 > FUNCTION_LINES
        and not _is_migration(path)
    ]
    too_wide = [
        f"{function.name} (line {function.lineno}) takes {_positional_parameters(function)} positional parameters"
        for function in _functions(path)
        if _positional_parameters(function) > PARAMETERS
    ]
    assert not too_long + too_wide


def test_no_module_is_named_for_nothing() -> None:
    vague = [relative(path) for path in ALL_CODE if VAGUE_NAMES & {path.stem, path.parent.name}]
    assert not vague
