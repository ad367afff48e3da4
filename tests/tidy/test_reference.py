"""Whatever a person can set, type, receive or measure has a heading in docs/reference, and nothing else has."""

import ast
import inspect
import re
from collections.abc import Iterator

from slotwatch.domain.errors import SlotwatchError
from tests.tidy.tree import REFERENCE, headings, parse, python_files, slotwatch_modules


def _settings() -> set[str]:
    classes = {
        thing
        for module in slotwatch_modules()
        for thing in vars(module).values()
        if inspect.isclass(thing) and thing.__module__.startswith("slotwatch.")
    }
    variables = [vars(cls)["ENV"] for cls in classes if cls.__name__.endswith("Settings") and "ENV" in vars(cls)]
    return {name for names in variables for name in names.values()}


def _error_codes() -> set[str]:
    slotwatch_modules()
    classes, found = [SlotwatchError], set()
    while classes:
        cls = classes.pop()
        classes += cls.__subclasses__()
        if cls.__module__.startswith("slotwatch."):
            found.add(cls.code)
    return found | _codes_given_when_raised("EmbeddedPostgresError")


def _codes_given_when_raised(error: str) -> set[str]:
    """Codes of an error class that takes its code as the first argument."""
    return {
        node.args[0].value
        for path in python_files("src")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == error
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def _commands() -> set[str]:
    from slotwatch.cli import app  # only this test needs the whole program

    def walk(node: object, words: tuple[str, ...]) -> Iterator[str]:
        names = [name for name in node if not name.startswith("-")]  # type: ignore[attr-defined]
        if not names:
            yield " ".join(words)
        for name in names:
            yield from walk(node[name], (*words, name))  # type: ignore[index]

    return set(walk(app, ("slotwatch",)))


def _metrics() -> set[str]:
    kinds = re.compile(r"(Counter|Gauge|Histogram|Summary|Info|MetricFamily)$")
    return {
        node.args[0].value
        for path in python_files("src")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and kinds.search(ast.unparse(node.func))
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and node.args[0].value.startswith("slotwatch_")
    }


def _compare(page: str, things: set[str]) -> None:
    written = headings(REFERENCE / page)
    missing, stale = sorted(things - written), sorted(written - things)
    assert not missing, f"docs/reference/{page} has no heading for these"
    assert not stale, f"docs/reference/{page} has headings for what is not there any more"


def test_every_setting_has_a_heading() -> None:
    _compare("settings.md", _settings())


def test_every_error_code_has_a_heading() -> None:
    _compare("error-codes.md", _error_codes())


def test_every_command_has_a_heading() -> None:
    _compare("cli.md", _commands())


def test_every_metric_has_a_heading() -> None:
    _compare("metrics.md", _metrics())
