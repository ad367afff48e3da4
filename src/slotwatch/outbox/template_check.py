"""Finds what is wrong with a template before it is used, and says in which file and line."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from jinja2 import Environment, TemplateError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables

from slotwatch.domain.errors import SlotwatchError

__all__ = ["Fault", "TemplateFault", "check_source", "fault_of", "fault_when_filled_in", "mjml_faults"]

_ELEMENTS = re.compile(
    "mjml|mj-(head|body|title|preview|raw|attributes|all|class|style|font|breakpoint|section|column|group|wrapper|text"
    "|table|image|button|divider|spacer|hero|(social|navbar|accordion|carousel)(-(element|link|title|text|image))?)"
)
_FOREIGN = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
_NEVER = {"self", "super", "caller", "varargs", "kwargs"}  # they lead out of the fixed list
_REMARK = re.compile(r"\[#.*?#\]", re.DOTALL)
_IN_FRAME = re.compile(r"\[%.*?%\]|\[\[.*?\]\]|\[#.*?#\]", re.DOTALL)


@dataclass(frozen=True)
class Fault:
    """What is wrong in which line; line 0 is the file as a whole."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.text}"


class TemplateFault(SlotwatchError):
    """A message template cannot be used."""

    code = "bad_template"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("Message templates cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = tuple(faults)


def fault_of(error: Exception, file: str) -> Fault:
    """Where an error of Jinja or MJML happened, as well as it is known."""
    if isinstance(error, TemplateSyntaxError):
        return Fault(error.name or file, error.lineno, error.message or "cannot be read")
    line, trace = 0, error.__traceback__
    while trace is not None:  # Jinja puts the template's own lines into the traceback
        if trace.tb_frame.f_code.co_filename.endswith((".mjml", ".txt")):
            file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    return Fault(file, line, str(error))


def fault_when_filled_in(error: Exception, file: str, compiled: str, own: str) -> Fault:
    """Where an error happened while a template was filled in: its line, looked up in the operator's file."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    text = compiled.splitlines()[line - 1].strip() if line else ""
    same = [number for number, candidate in enumerate(own.splitlines(), start=1) if text and candidate.strip() == text]
    return Fault(file, same[0] if same else 0, str(error))


def check_source(file: str, source: str, environment: Environment, allowed: Collection[str]) -> list[Fault]:
    """Faults of one file by itself: syntax, filters, names beyond the fixed list, what the sandbox would refuse."""
    source = _REMARK.sub(_as_empty_lines, source)
    try:
        tree = environment.parse(source)
        environment.compile(source)
    except TemplateSyntaxError as error:
        return [Fault(file, error.lineno, error.message or "cannot be read")]
    except TemplateError as error:
        return [Fault(file, 0, str(error))]
    unknown = find_undeclared_variables(tree) - set(allowed) | _NEVER
    faults = [
        Fault(file, node.lineno, f"{node.name} is not one of the values that a template may use")
        for node in tree.find_all(nodes.Name)
        if node.name in unknown and node.ctx == "load"
    ]
    parts: list[nodes.Getattr | nodes.Getitem] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]
    faults += [
        Fault(file, part.lineno, f"{part.node.name} has no parts: use it as it is")
        for part in parts
        if isinstance(part.node, nodes.Name) and part.node.name in allowed
    ]
    faults += [
        Fault(file, node.lineno, "write extends, include and import in [% … %]") for node in tree.find_all(_FOREIGN)
    ]
    return sorted(set(faults), key=lambda fault: fault.line)


def mjml_faults(file: str, source: str) -> list[Fault]:
    """Elements that MJML does not know, that are not closed, or closed in the wrong order."""
    blank = _IN_FRAME.sub(_as_empty_lines, source)
    comparing = [
        Fault(file, blank.count("\n", 0, match.start()) + 1, "< in a condition is taken for an element: turn it round")
        for match in re.finditer(r"\{[%{][^}%<]*<", blank)
    ]
    reader = _Elements(file)
    reader.feed(blank)
    reader.close()
    reader.faults += [Fault(file, line, f"<{name}> is not closed") for name, line in reader.open]
    return comparing or reader.faults


def _as_empty_lines(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")


class _Elements(HTMLParser):
    """Follows the mj- elements only; what stands inside of texts is HTML, which mail programs forgive."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.faults: list[Fault] = []
        self.open: list[tuple[str, int]] = []
        self._file = file

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag.startswith("mj"):
            self._check_known(tag)
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag.startswith("mj"):
            self._check_known(tag)

    def handle_endtag(self, tag: str) -> None:
        if not tag.startswith("mj"):
            return
        if not self.open or self.open[-1][0] != tag:
            opened = f", <{self.open[-1][0]}> of line {self.open[-1][1]} is still open" if self.open else ""
            self.faults.append(Fault(self._file, self.getpos()[0], f"</{tag}> closes nothing{opened}"))
            return
        self.open.pop()

    def _check_known(self, tag: str) -> None:
        if not _ELEMENTS.fullmatch(tag):
            self.faults.append(Fault(self._file, self.getpos()[0], f"<{tag}> is not an element of MJML"))
