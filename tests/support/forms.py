"""A visitor without a browser: opens pages, fills forms with all that is hidden in them, follows where they lead."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie

import httpx

__all__ = ["Form", "Guest", "forms_in", "text_of"]

PERSON = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@dataclass
class Form:
    """A form of a page: where it goes and what it holds."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text: list[str] = []
        self._is_open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get")))
            self._is_open = True
        elif tag == "input" and self._is_open and "name" in values:
            is_box = values.get("type") == "checkbox"
            if not is_box or "checked" in values:
                self.forms[-1].fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def forms_in(html: str) -> list[Form]:
    """The forms of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms


def text_of(html: str) -> str:
    """What a page says, in one line."""
    reader = _Reader()
    reader.feed(html)
    return " ".join(" ".join(reader.text).split())


@dataclass
class Guest:
    """Somebody who looks at pages; `cookies` is whom the pages take them for."""

    client: httpx.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)
    seen: httpx.Response | None = None

    async def open(self, path: str) -> str:
        """GET a page, following where it leads; its text."""
        return await self._go("GET", path)

    async def send(self, action: str, **fields: str) -> str:
        """Fill the form that goes there on the page just seen, and send it; the text of the page it leads to.

        `action` is without the query that the form's address may have.
        """
        assert self.seen is not None, "no page is open"
        posts = (one for one in forms_in(self.seen.text) if one.method == "post")
        form = next(one for one in posts if one.action.partition("?")[0] == action)
        return await self._go("POST", form.action, {**form.fields, **fields})

    @property
    def status(self) -> int:
        """Of the page just seen."""
        assert self.seen is not None
        return self.seen.status_code

    @property
    def path(self) -> str:
        """Where the page just seen is."""
        assert self.seen is not None
        return self.seen.url.raw_path.decode()

    async def _go(self, method: str, path: str, data: dict[str, str] | None = None) -> str:
        for _ in range(6):
            self.client.cookies.clear()
            jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers = PERSON | ({"Cookie": jar} if jar else {})
            self.seen = await self.client.request(method, path.partition("#")[0], data=data, headers=headers)
            for line in self.seen.headers.get_list("set-cookie"):
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
                    if morsel["max-age"] == "0":
                        del self.cookies[name]
            if self.seen.status_code != 303:
                return text_of(self.seen.text)
            method, path, data = "GET", self.seen.headers["location"], None
        raise AssertionError("the pages lead in circles")
