"""Settings of the HTTP side: where it listens, whose tokens it believes, what it refuses."""

import ipaddress
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec

__all__ = ["WebSettings"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class WebSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen and whom to believe.

    `signing_key` is a private Ed25519 JWK or any secret of 32 characters and more, the same for every process;
    without it the key lies in `signing_key_file` and is made on first start.
    """

    ENV: ClassVar[dict[str, str]] = {
        "host": "SLOTWATCH_HOST",
        "port": "SLOTWATCH_PORT",
        "signing_key": "SLOTWATCH_SIGNING_KEY",
        "signing_key_file": "SLOTWATCH_SIGNING_KEY_FILE",
        "oidc_issuer": "SLOTWATCH_OIDC_ISSUER",
        "oidc_audience": "SLOTWATCH_OIDC_AUDIENCE",
        "jwks_url": "SLOTWATCH_JWKS_URL",
        "max_body_bytes": "SLOTWATCH_MAX_BODY_BYTES",
        "inbox_open": "SLOTWATCH_INBOX_OPEN",
        "trusted_proxies": "SLOTWATCH_TRUSTED_PROXIES",
    }

    host: str = "127.0.0.1"
    port: int = 8080  # 0: any free one
    signing_key: str | None = None
    signing_key_file: str | None = None  # None: the caller names the place
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    jwks_url: str | None = None  # None: the issuer's discovery document names it
    max_body_bytes: int = 65_536
    inbox_open: bool = False  # True: the local inbox answers other machines too
    trusted_proxies: str = "127.0.0.1"  # who may say where a request came from: addresses and networks, by commas

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError("port must be between 0 and 65535")
        if not 1024 <= self.max_body_bytes <= 10_000_000:
            raise ValueError("max_body_bytes must be between 1024 and 10000000")
        for proxy in self.trusted_proxies.split(","):
            _check_network(proxy.strip())
        for name in ("oidc_issuer", "jwks_url"):
            _check_safe_address(name, getattr(self, name))

    def __repr__(self) -> str:
        key = None if self.signing_key is None else "***"
        return (
            f"WebSettings(host={self.host!r}, port={self.port}, signing_key={key!r}, oidc_issuer={self.oidc_issuer!r})"
        )


def _check_network(text: str) -> None:
    """A name, or everybody, would let any caller say that it is somebody else."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError("trusted_proxies must be IP addresses or networks such as 10.0.0.0/8, by commas") from error
    if network.prefixlen == 0:
        raise ValueError("trusted_proxies must not be everybody")


def _check_safe_address(name: str, url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise ValueError(f"{name} must start with https://, for keys that came over an open line prove nothing")
