"""Tokens: ours and those of an OIDC issuer; what is wrong with one is said, and none of it lets anybody in."""

import asyncio
import stat
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from slotwatch.domain.errors import Unavailable
from slotwatch.web import jwks
from slotwatch.web.auth import Authenticator, BadSigningKey, Caller, Role, TokenSigner, load_signer
from slotwatch.web.problems import Unauthenticated
from slotwatch.web.settings import WebSettings

SECRET = "a secret that nobody can guess at all"
AUDIENCE = "slotwatch-api"


@pytest.fixture
def signer() -> TokenSigner:
    return load_signer(WebSettings(signing_key=SECRET), Path("unused"))


@pytest.fixture
async def authenticator(signer: TokenSigner) -> AsyncIterator[Authenticator]:
    authenticator = Authenticator(WebSettings(), signer)
    yield authenticator
    await authenticator.close()


def signed(signer: TokenSigner, **claims: Any) -> str:
    """A token with exactly these claims, signed by our own key."""
    return jwt.encode({"alg": "Ed25519"}, {"iss": "slotwatch", **claims}, signer._key, algorithms=["Ed25519"])


async def test_a_token_says_who_calls(authenticator: Authenticator, signer: TokenSigner) -> None:
    token = signer.issue("anna", "driver", name="Anna", email="anna@Example.org", phone="+15005550010")
    caller = await authenticator.caller(f"Bearer {token}")
    assert caller == Caller("anna", Role.DRIVER, None, "Anna", "anna@example.org", "+15005550010")
    vendor = signer.issue("volt", "vendor", vendor_id=7)
    assert await authenticator.caller(f"bearer {vendor}") == Caller("volt", Role.VENDOR, 7)


async def test_a_token_ends_also_when_it_was_seen_before(signer: TokenSigner) -> None:
    now = [time.time()]
    authenticator = Authenticator(WebSettings(), signer, wall_clock=lambda: now[0])
    token = signer.issue("anna", "driver", lifetime=timedelta(minutes=5))
    await authenticator.caller(f"Bearer {token}")
    now[0] += 280
    await authenticator.caller(f"Bearer {token}")
    now[0] += 60
    with pytest.raises(Unauthenticated, match="expired"):
        await authenticator.caller(f"Bearer {token}")


@pytest.mark.parametrize(
    "header", [None, "", "Basic YTpi", "Bearer", "Bearer ", "Bearer a", "Bearer a.b.c", "Bearer é"]
)
async def test_what_is_no_token_is_refused(authenticator: Authenticator, header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.caller(header)


async def test_a_token_as_long_as_a_book_is_refused(authenticator: Authenticator) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.caller("Bearer " + "a" * 9000)


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "driver", "exp": 9e9},
        {"sub": "", "role": "driver", "exp": 9e9},
        {"sub": "a\x00b", "role": "driver", "exp": 9e9},
        {"sub": "a" * 256, "role": "driver", "exp": 9e9},
        {"sub": 7, "role": "driver", "exp": 9e9},
        {"sub": "anna", "exp": 9e9},
        {"sub": "anna", "role": "god", "exp": 9e9},
        {"sub": "anna", "role": "driver"},
        {"sub": "anna", "role": "driver", "exp": 1},
        {"sub": "anna", "role": "driver", "exp": 9e9, "nbf": 8e9},
        {"sub": "volt", "role": "vendor", "exp": 9e9},
        {"sub": "volt", "role": "vendor", "exp": 9e9, "vendor_id": "7"},
    ],
    ids=str,
)
async def test_a_token_that_lacks_something_is_refused(
    authenticator: Authenticator, signer: TokenSigner, claims: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.caller(f"Bearer {signed(signer, **claims)}")


async def test_a_forged_token_is_refused(authenticator: Authenticator, signer: TokenSigner) -> None:
    good = signer.issue("anna", "driver")
    head, payload, signature = good.split(".")
    stranger = TokenSigner(OKPKey.generate_key("Ed25519", private=True)).issue("anna", "driver")
    public = signer.public.keys[0].as_dict(private=False)
    confused = jwt.encode(
        {"alg": "HS256"},
        {"iss": "slotwatch", "sub": "anna", "role": "driver", "exp": 9_000_000_000},
        OctKey.import_key(msgspec.json.encode(public)),
    )
    unsigned = "eyJhbGciOiJub25lIn0." + payload + "."
    for forged in (stranger, confused, unsigned, f"{head}.{payload}.{signature[:-4]}AAAA", f"{head}.e30.{signature}"):
        with pytest.raises(Unauthenticated):
            await authenticator.caller(f"Bearer {forged}")


async def test_a_contact_in_a_token_that_reaches_nobody_is_passed_over(
    authenticator: Authenticator, signer: TokenSigner
) -> None:
    token = signed(signer, sub="anna", role="driver", exp=9e9, email="x", phone_number="12", name="An\x00na")
    caller = await authenticator.caller(f"Bearer {token}")
    assert (caller.name, caller.email, caller.phone) == (None, None, None)
    unproven = signed(signer, sub="anna", role="driver", exp=9e9, email="a@example.org", email_verified=False)
    assert (await authenticator.caller(f"Bearer {unproven}")).email is None


@pytest.mark.parametrize(
    "wish",
    [
        {"role": "god"},
        {"role": "vendor"},
        {"role": "driver", "vendor_id": 1},
        {"role": "driver", "email": "x"},
        {"role": "driver", "phone": "x"},
    ],
    ids=str,
)
def test_no_token_is_signed_that_makes_no_sense(signer: TokenSigner, wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        signer.issue("anna", **wish)


def test_the_key_is_made_once_and_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    first, second = load_signer(WebSettings(), folder), load_signer(WebSettings(), folder)
    assert first.kid == second.kid
    (key,) = folder.iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o640)
    with pytest.raises(BadSigningKey, match="chmod 600"):
        load_signer(WebSettings(), folder)


def test_a_secret_or_a_jwk_in_the_environment_gives_the_same_key_to_every_process(tmp_path: Path) -> None:
    assert (
        load_signer(WebSettings(signing_key=SECRET), tmp_path).kid
        == load_signer(WebSettings(signing_key=SECRET), tmp_path).kid
    )
    jwk = msgspec.json.encode(OKPKey.generate_key("Ed25519", private=True).as_dict(private=True)).decode()
    assert load_signer(WebSettings(signing_key=jwk), tmp_path).kid
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "{",
        "{}",
        msgspec.json.encode(OKPKey.generate_key("Ed25519", private=True).as_dict(private=False)).decode(),
        msgspec.json.encode(ECKey.generate_key("P-256", private=True).as_dict(private=True)).decode(),
        msgspec.json.encode(OKPKey.generate_key("X25519", private=True).as_dict(private=True)).decode(),
    ],
    ids=["short", "no JSON", "empty", "public half", "another curve", "for encryption"],
)
def test_a_key_that_cannot_sign_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadSigningKey, match=r"key"):
        load_signer(WebSettings(signing_key=text), Path("unused"))


def test_settings_do_not_show_the_key_and_refuse_an_open_line() -> None:
    assert SECRET not in repr(WebSettings(signing_key=SECRET))
    with pytest.raises(ValueError, match="oidc_issuer must start with https"):
        WebSettings(oidc_issuer="http://login.example.org")
    with pytest.raises(ValueError, match="port must be between"):
        WebSettings(port=65_536)


class Issuer:
    """An OIDC issuer on a real port: discovery and keys. Counts how often it is asked."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)
        self.listed: list[dict[str, Any]] = [self.key.as_dict(private=False)]
        self.asked = 0
        self.is_broken = False
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        self.asked += 1
        document: dict[str, Any] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        body = msgspec.json.encode(document if path.startswith("/.well-known") else {"keys": self.listed})
        status = b"500 Broken" if self.is_broken else b"200 OK"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    def token(self, key: Any = None, alg: str = "RS256", **claims: Any) -> str:
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "auth0|7", "role": "driver", "exp": 9_000_000_000}
        key = key or self.key
        return jwt.encode({"alg": alg, "kid": key.kid}, {**usual, **claims}, key, algorithms=[alg])


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield issuer
    server.close()
    await server.wait_closed()


@pytest.fixture
async def federated(issuer: Issuer, signer: TokenSigner) -> AsyncIterator[Authenticator]:
    authenticator = Authenticator(WebSettings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE), signer)
    yield authenticator
    await authenticator.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(jwks, "_PATIENCE_SECONDS", 0.0)
    yield


async def test_an_issuers_token_lets_its_driver_in_and_the_keys_are_fetched_once(
    federated: Authenticator, issuer: Issuer, signer: TokenSigner
) -> None:
    callers = await asyncio.gather(*(federated.caller(f"Bearer {issuer.token(jti=str(n))}") for n in range(10)))
    assert {caller.subject for caller in callers} == {"auth0|7"}
    assert issuer.asked == 2, "discovery and keys"
    assert (await federated.caller(f"Bearer {signer.issue('anna', 'driver')}")).subject == "anna"


@pytest.mark.parametrize(
    ("verified", "is_proven"), [({}, False), ({"email_verified": True, "phone_number_verified": True}, True)], ids=str
)
async def test_an_issuers_address_is_a_contact_and_a_proof_only_where_it_says_so(
    federated: Authenticator, issuer: Issuer, signer: TokenSigner, verified: dict[str, Any], is_proven: bool
) -> None:
    contact: dict[str, Any] = {"email": "mira@example.org", "phone_number": "+15005550010"}
    caller = await federated.caller(f"Bearer {issuer.token(**contact, **verified)}")
    assert (caller.email, caller.phone) == tuple(contact.values())
    assert (caller.proven_email, caller.proven_phone) == (tuple(contact.values()) if is_proven else (None, None))
    ours = await federated.caller(f"Bearer {signer.issue('anna', 'driver', email='anna@example.org')}")
    assert ours.proven_email == "anna@example.org"


@pytest.mark.parametrize(
    "claims",
    [{"iss": "https://other.example"}, {"aud": "other"}, {"aud": ["x", "y"]}, {"role": "x"}, {"exp": 1}],
    ids=str,
)
async def test_an_issuers_token_for_somebody_else_is_refused(
    federated: Authenticator, issuer: Issuer, claims: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated):
        await federated.caller(f"Bearer {issuer.token(**claims)}")


async def test_a_key_that_the_issuer_does_not_list_is_not_asked_for_again_and_again(
    federated: Authenticator, issuer: Issuer
) -> None:
    for number in range(20):
        stranger = ECKey.generate_key("P-256", {"kid": f"k{number}"}, private=True)
        with pytest.raises(Unauthenticated):
            await federated.caller(f"Bearer {issuer.token(stranger, 'ES256')}")
    assert issuer.asked == 2


async def test_a_new_key_of_the_issuer_is_found(federated: Authenticator, issuer: Issuer, impatient: None) -> None:
    await federated.caller(f"Bearer {issuer.token()}")
    new = ECKey.generate_key("P-256", {"kid": "two"}, private=True)
    issuer.listed = [{"kty": "nonsense", "kid": "zero"}, *issuer.listed, new.as_dict(private=False)]
    assert (await federated.caller(f"Bearer {issuer.token(new, 'ES256')}")).subject == "auth0|7"


async def test_a_shared_secret_in_the_issuers_list_signs_nothing(
    federated: Authenticator, issuer: Issuer, impatient: None
) -> None:
    shared = OctKey.generate_key(256, {"kid": "oct"})
    issuer.listed = [shared.as_dict()]
    with pytest.raises(Unauthenticated):
        await federated.caller(f"Bearer {issuer.token(shared, 'HS256')}")


async def test_while_the_issuer_is_down_known_keys_go_on_and_unknown_ones_wait(
    federated: Authenticator, issuer: Issuer, impatient: None
) -> None:
    issuer.is_broken = True
    with pytest.raises(Unavailable):
        await federated.caller(f"Bearer {issuer.token()}")
    issuer.is_broken = False
    await federated.caller(f"Bearer {issuer.token()}")
    issuer.is_broken = True
    stranger = ECKey.generate_key("P-256", {"kid": "x"}, private=True)
    with pytest.raises(Unauthenticated):
        await federated.caller(f"Bearer {issuer.token(stranger, 'ES256')}")
    assert (await federated.caller(f"Bearer {issuer.token(jti='again')}")).subject == "auth0|7"


def test_no_private_part_of_our_key_is_shown(signer: TokenSigner) -> None:
    assert isinstance(signer.public, KeySet)
    assert "d" not in signer.public.keys[0].as_dict()
