"""Tells which addresses and URLs of strangers may be called: public ones by https, never this machine or its network.

The ranges are written down, because what `ipaddress` calls private differs between Python versions and misses what
leads inside by a detour: NAT64, 6to4, Teredo, multicast, shared address space.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

import httpx

from slotwatch.channels.channel import has_control_characters

__all__ = ["Target", "UnfitUrlError", "is_public", "read_url"]

_LONGEST_URL: Final = 2048
_NOT_PUBLIC_4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space of providers
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and where clouds keep their secrets
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_PUBLIC_6: Final = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4: holds an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
# What only looks like a name: getaddrinfo takes 2130706433, 0x7f.1 and 0177.0.0.1 for 127.0.0.1.
_DISGUISED_NUMBER = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)\.?\Z")
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?\Z"
)


class UnfitUrlError(ValueError):
    """The URL must not be called, now or later; says why."""


@dataclass(frozen=True)
class Target:
    """A URL that passed: what to connect to and what to ask for."""

    url: httpx.URL
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Scheme, host and port, as RFC 6454 writes them."""
        default = {"https": 443, "http": 80}[self.url.scheme]
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.url.scheme}://{host}" + ("" if self.port == default else f":{self.port}")


def is_public(address: str) -> bool:
    """Whether a numeric address belongs to the public internet.

    >>> is_public("93.184.215.14"), is_public("100.64.0.1"), is_public("64:ff9b::a9fe:a9fe")
    (True, False, False)
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_4)
    return ip.scope_id is None and ip in _PUBLIC_6 and not any(ip in network for network in _NOT_PUBLIC_6)


def read_url(text: str, *, allow_loopback: bool = False) -> Target:
    """Take a stranger's URL apart. Raises UnfitUrlError with a sentence.

    With `allow_loopback` (tests, a trial on one machine) http is fine and numbers of this machine are, too.
    """
    if len(text) > _LONGEST_URL or has_control_characters(text) or any(c.isspace() or c == "\\" for c in text):
        raise UnfitUrlError("the URL is too long or holds characters that no URL has")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise UnfitUrlError("this is not a URL") from error
    if url.scheme != "https" and not (allow_loopback and url.scheme == "http"):
        raise UnfitUrlError("the URL must begin with https://")
    if url.userinfo or "@" in url.netloc.decode("ascii", "replace"):
        raise UnfitUrlError("the URL must not hold a user name or password")
    if url.port is not None and not 0 < url.port < 65536:
        raise UnfitUrlError("the URL names no port that can be called")
    host = url.raw_host.decode("ascii", "replace").lower()
    _check_host(host, allow_loopback=allow_loopback)
    return Target(url, host, url.port or (443 if url.scheme == "https" else 80))


def _check_host(host: str, *, allow_loopback: bool) -> None:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        if _DISGUISED_NUMBER.match(host) or not _NAME.match(host):
            raise UnfitUrlError("the URL has no proper host name") from None
        return
    if not is_public(host) and not (allow_loopback and ip.is_loopback):
        raise UnfitUrlError("the URL leads to an address that is not public")
