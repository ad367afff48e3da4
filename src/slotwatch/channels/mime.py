"""Writes the parts of an e-mail as bytes: 7-bit only, lines ended by CRLF.

Python's `email` package would need milliseconds for a mail of ours; what it is needed for, names and subjects in other
scripts, still goes through it (`mail.py`).
"""

import secrets
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Part", "file_part", "multipart", "text_part"]

_LONGEST_LINE = 998  # RFC 5322 section 2.1.1
_CRLF = b"\r\n"
_LONGER = 0.25  # by so much HTML may grow by references; each is six characters or so for one


@dataclass(frozen=True)
class Part:
    """The header lines of one part, each with its CRLF, and its encoded body."""

    head: bytes
    body: bytes

    @property
    def data(self) -> bytes:
        """Both, with the empty line between."""
        return self.head + _CRLF + self.body


def text_part(subtype: str, text: str, parameters: str = "") -> Part:
    """`text/subtype`, encoded as it takes least. Raises UnicodeEncodeError for half characters."""
    data = _with_references(text) if subtype == "html" else text.encode()
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = (data if data.endswith(b"\n") else data + b"\n").replace(b"\n", _CRLF)
    encoding, body = _encoded(data)
    head = f'Content-Type: text/{subtype}; charset="utf-8"{parameters}\r\nContent-Transfer-Encoding: {encoding}\r\n'
    return Part(head.encode("ascii"), body)


def file_part(content_type: str, content: bytes, filename: str) -> Part:
    """A file beside the text. `filename` is ours: plain ASCII."""
    head = (
        f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{filename}"\r\n'
    )
    return Part(head.encode("ascii"), _base64(content))


def multipart(subtype: str, parts: Sequence[Part]) -> Part:
    """`multipart/subtype`. Nobody can guess the boundary, so no foreign text can hold it."""
    boundary = f"=_{secrets.token_hex(16)}"
    line = f"--{boundary}".encode()
    pieces = [piece for part in parts for piece in (line, _CRLF, part.data, _CRLF)]
    return Part(
        f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n'.encode(),
        b"".join((*pieces, line, b"--\r\n")),
    )


def _with_references(html: str) -> bytes:
    """The few characters beyond ASCII in HTML's own notation: then nothing needs encoding, which takes longer than all
    else about a mail. Not where there are many of them, nor where a style sheet holds one: it knows no such notation.
    """
    if html.isascii() or not html[html.find("<style") : html.rfind("</style>") + 1].isascii():
        return html.encode()
    data = html.encode("ascii", "xmlcharrefreplace")
    if b"&#5" in data:  # 55296 to 57343 are halves of characters, which have no encoding
        html.encode()
    return data if len(data) - len(html) <= len(html) * _LONGER else html.encode()


def _encoded(data: bytes) -> tuple[str, bytes]:
    """The name of a 7-bit encoding, and the data in it; `data` is lines that end with CRLF."""
    if data.isascii() and b"\0" not in data and max(map(len, data.split(_CRLF))) <= _LONGEST_LINE:
        return "7bit", data
    others = len(data) - len(data.decode().encode("ascii", "ignore"))
    if others * 6 > len(data):  # three characters for each of these bytes, against four for every three
        return "base64", _base64(data)
    return "quoted-printable", b2a_qp(data)


def _base64(data: bytes) -> bytes:
    return encodebytes(data).replace(b"\n", _CRLF)
