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
_FEW = 20  # of so many bytes one may be beyond ASCII


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
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    data = (text if text.endswith("\n") else text + "\n").replace("\n", "\r\n").encode()
    if subtype == "html" and not data.isascii():
        data = _with_references(data)
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


def _with_references(html: bytes) -> bytes:
    """The few characters beyond ASCII in HTML's own notation: then nothing needs encoding, which takes longer than all
    else about a mail. Not where there are many of them, nor where a style sheet holds one: it knows no such notation.
    """
    text = html.decode()
    others = len(html) - len(text)  # at least one for each such character
    if others * _FEW > len(html) or not text[text.find("<style") : text.rfind("</style>") + 1].isascii():
        return html
    return text.encode("ascii", "xmlcharrefreplace")


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
