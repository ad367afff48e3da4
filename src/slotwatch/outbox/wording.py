"""Finds the files of a message, lets an operator's own files take their place, and compiles all of them once at start.

A file is worked out in two steps. At start `[% … %]`, `[[ … ]]` put the file into its frame, and MJML becomes HTML with
what stands in `{{ … }}`, `{% … %}` surviving; the result is compiled. When a language is first spoken, all sentences
are put into it, once. So sending only fills in values.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import mrml
from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateError, TemplateNotFound, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from slotwatch.domain.notices import NoticeKind
from slotwatch.locale.catalogues import LANGUAGES, Language
from slotwatch.outbox.template_check import (
    Fault,
    TemplateFault,
    check_source,
    fault_of,
    fault_when_filled_in,
    mjml_faults,
)
from slotwatch.outbox.values import VALUES

__all__ = ["BUILT_IN", "Compiled", "Part", "Wording"]

BUILT_IN = Path(__file__).parent / "templates"

_NO_FONTS = mrml.RenderOptions(fonts={})  # or it loads fonts from another company, which would see who reads
_WORDS = ("gettext", "ngettext")
_LINE_ENDS = re.compile(r"(?:</tr>|</?tbody>|</table>|</td>|</style>|</head>|<br ?/?>)(?=\S)")
_PLACES = re.compile(r"%\((\w+)\)s")  # of the values in a sentence
_LONG_ENOUGH = 120  # characters; what is filled in comes on top


class Part(StrEnum):
    """The files of one kind of notice."""

    SUBJECT = "subject.txt"
    HTML = "body.mjml"
    TEXT = "body.txt"
    SMS = "sms.txt"
    PUSH = "push.txt"

    @property
    def is_html(self) -> bool:
        """Whether values are escaped."""
        return self is Part.HTML


@dataclass(frozen=True)
class Compiled:
    """One file ready to be filled in, and the names of the values that it needs."""

    needs: frozenset[str]
    source: str
    file: str
    html: bool

    def fill(self, values: Mapping[str, Any], spoken: Language) -> str:
        """What is written, in that language; `values` hold what `{% trans %}` calls, too."""
        return _template(self, spoken).render(values)


@dataclass(frozen=True)
class _Scope:
    """Whose wording it is: a vendor's (`VN-3`) or everybody's, of one language or of all."""

    vendor: str | None = None
    lang: str | None = None

    def names(self, name: str) -> Iterator[str]:
        """Where the operator may have put the file, the most special first."""
        stem, _, ending = name.rpartition(".")
        for folder in (f"{self.vendor}/", "") if self.vendor else ("",):
            if self.lang:
                yield f"{folder}{stem}.{self.lang}.{ending}"
            yield folder + name


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=html, undefined=StrictUndefined, extensions=["jinja2.ext.i18n"], trim_blocks=False
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.globals.clear()
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # set by the extension
    return environment


_ENVIRONMENTS = {True: _environment(html=True), False: _environment(html=False)}


class Wording:
    """Every template, built in or from `folder`. Raises TemplateFault with file and line of each fault."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        own = {} if folder is None else _own_files(folder)
        faults = [fault for path, source in own.items() for fault in self._faults(path, source)]
        if faults:
            raise TemplateFault(faults)
        self._own = own
        self._scopes: dict[_Scope, Mapping[tuple[NoticeKind, Part], Compiled]] = {}
        for scope in _scopes_of(own):
            self._scopes[scope] = self._compile_all(scope)

    def compiled(self, kind: NoticeKind, part: Part, *, vendor: str | None = None, lang: str | None = None) -> Compiled:
        """The file that speaks to this vendor's drivers in this language."""
        for scope in (_Scope(vendor, lang), _Scope(vendor), _Scope(None, lang)):
            found = self._scopes.get(scope)
            if found is not None:
                return found[kind, part]
        return self._scopes[_Scope()][kind, part]

    def scopes(self) -> list[tuple[str | None, str | None]]:
        """Every (vendor, language) that has wording of its own; (None, None) is everybody else."""
        return [(scope.vendor, scope.lang) for scope in self._scopes]

    def fault(self, error: Exception, compiled: Compiled) -> Fault:
        """What went wrong when that file was filled in, and in which line."""
        return fault_when_filled_in(error, compiled.file, compiled.source, self._own.get(compiled.file, ""))

    def _faults(self, path: str, source: str) -> list[Fault]:
        html = path.endswith(".mjml")
        faults = check_source(path, source, _ENVIRONMENTS[html], {*VALUES, *_WORDS})
        return faults + (mjml_faults(path, source) if html and not faults else [])

    def _compile_all(self, scope: _Scope) -> Mapping[tuple[NoticeKind, Part], Compiled]:
        found: dict[str, str] = {}  # asked name -> file that answered

        def load(name: str) -> tuple[str, str, None]:
            for candidate in scope.names(name):
                if candidate in self._own:
                    found[name] = candidate
                    return self._own[candidate], candidate, None
            path = BUILT_IN / name
            if not path.is_file():
                raise TemplateNotFound(name)
            found[name] = name
            return path.read_text(encoding="utf-8"), name, None

        frames = ImmutableSandboxedEnvironment(
            *("[%", "%]", "[[", "]]", "[#", "#]"),
            loader=FunctionLoader(load),
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        compiled: dict[tuple[NoticeKind, Part], Compiled] = {}
        for kind in NoticeKind:
            for part in Part:
                name = f"{kind}/{part}"
                try:
                    framed = frames.get_template(name).render()
                    compiled[kind, part] = _compiled(framed, found[name], html=part.is_html)
                except (TemplateError, OSError) as error:
                    raise TemplateFault([fault_of(error, found.get(name, name))]) from error
        return compiled


@lru_cache(512)
def _compiled(framed: str, file: str, *, html: bool) -> Compiled:
    """The same text is compiled once, however many vendors it speaks for."""
    source = _in_lines(mrml.to_html(framed, render_options=_NO_FONTS).content) if html else framed
    environment = _ENVIRONMENTS[html]
    needs = find_undeclared_variables(environment.parse(source)) & VALUES.keys()
    environment.from_string(source)  # what cannot be compiled shows now
    return Compiled(frozenset(needs), source, file, html)


@lru_cache(4096)
def _template(compiled: Compiled, spoken: Language) -> Template:
    environment = _ENVIRONMENTS[compiled.html]
    tree = environment.parse(compiled.source)
    for output in tree.find_all(nodes.Output):
        output.nodes = [piece for node in output.nodes for piece in _said(node, spoken)]
    template = environment.from_string(tree)
    template.globals = {}  # there are none; Jinja's own empty ones are slow to look through, and that for each message
    return template


def _said(node: nodes.Expr, spoken: Language) -> list[nodes.Expr]:
    """A sentence in that language, as text of ours with its values between; anything else as it is."""
    match node:
        case nodes.Call(node=nodes.Name(name="gettext"), args=[nodes.Const(value=str(sentence))], kwargs=keywords):
            values = {keyword.key: keyword.value for keyword in keywords}
        case _:
            return [node]
    texts = _PLACES.split(spoken.gettext(sentence))  # text, name, text, name, …, text
    if not set(texts[1::2]) <= values.keys():
        return [node]  # a fault of the translation, which shows when it is filled in
    return [
        values[text] if place % 2 else nodes.TemplateData(text.replace("%%", "%"), lineno=node.lineno)
        for place, text in enumerate(texts)
    ]


def _in_lines(html: str) -> str:
    """Lines end where space means nothing: a mail with a very long line would have to be encoded, each time anew.

    Not wherever they might: each costs time in every mail.
    """
    pieces, begin = [], 0
    for place in _LINE_ENDS.finditer(html):
        if place.end() - max(begin, html.rfind("\n", begin, place.end()) + 1) > _LONG_ENOUGH:
            pieces.append(html[begin : place.end()])
            begin = place.end()
    return "\n".join((*pieces, html[begin:]))


def _own_files(folder: Path) -> dict[str, str]:
    """What the operator put there, by path below the folder. Raises TemplateFault."""
    if not folder.is_dir():
        raise TemplateFault([Fault(str(folder), 0, "is not a folder")])
    faults, found = [], {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or "/." in f"/{name}" or path.suffix not in (".mjml", ".txt"):
            continue
        known = _known_name(name)
        if not known:
            faults.append(Fault(name, 0, "takes the place of nothing: the names of templates/README.md are expected"))
            continue
        try:
            found[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            faults.append(Fault(name, path.read_bytes()[: error.start].count(b"\n") + 1, "is not UTF-8"))
    if faults:
        raise TemplateFault(faults)
    return found


def _known_name(name: str) -> bool:
    """Whether such a file is ever looked for."""
    head, _, rest = name.partition("/")
    name = rest if head.startswith("VN-") and head[3:].isdecimal() else name
    stem, _, ending = name.rpartition(".")
    base, _, lang = stem.rpartition(".")
    plain = f"{base}.{ending}" if base and lang in LANGUAGES else name
    return (BUILT_IN / plain).is_file()


def _scopes_of(own: Mapping[str, Any]) -> list[_Scope]:
    """Everybody's first, then each vendor and language that has a file of its own."""
    scopes = {_Scope()}
    for path in own:
        head = path.partition("/")[0]
        vendor = head if head.startswith("VN-") else None
        pieces = path.rpartition("/")[2].split(".")
        lang = pieces[1] if len(pieces) == 3 else None  # body.de.txt
        scopes |= {_Scope(vendor), _Scope(vendor, lang)}
    general = {scope.lang for scope in scopes if scope.vendor is None and scope.lang}
    vendors = {scope.vendor for scope in scopes if scope.vendor}
    scopes |= {_Scope(vendor, lang) for vendor in vendors for lang in general}
    return sorted(scopes, key=lambda scope: (scope.vendor or "", scope.lang or ""))
