"""Headers that every answer carries: what a browser must not do with it."""

from litestar.types import Message, Scope

__all__ = ["PAGE_POLICY", "add_security_headers"]

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What our own pages may load: nothing from elsewhere, no inline code."""

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # no-referrer makes the browser send "Origin: null" with a form
    (b"cross-origin-opener-policy", b"same-origin"),
)
_UNLESS_SET = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


async def add_security_headers(message: Message, scope: Scope) -> None:
    """A `before_send` hook. Pages bring a policy of their own; everything else may do nothing in a browser."""
    if message["type"] != "http.response.start":
        return
    headers = list(message["headers"])
    present = {name.lower() for name, _ in headers}
    headers.extend(_ALWAYS)
    headers.extend((name, value) for name, value in _UNLESS_SET if name not in present)
    message["headers"] = headers
