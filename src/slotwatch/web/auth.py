"""Who is calling: bearer tokens, signed by our own key or by an OIDC issuer, and the roles that they carry."""

import hashlib
import hmac
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.util import urlsafe_b64encode
from litestar import Request

from slotwatch.domain.errors import NotFound, SlotwatchError
from slotwatch.domain.ids import parse_ref, ref
from slotwatch.web.contact import checked_email, checked_name, checked_phone
from slotwatch.web.jwks import Jwks
from slotwatch.web.problems import ForbiddenRole, Unauthenticated
from slotwatch.web.settings import WebSettings

__all__ = ["Authenticator", "BadSigningKey", "Caller", "Role", "TokenSigner", "load_signer", "only"]

_LOCAL_ISSUER = "slotwatch"
_LOCAL_ALGORITHM = "Ed25519"
_FOREIGN_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
_LEEWAY_SECONDS = 10
_LONGEST_TOKEN = 8192
_MOST_REMEMBERED = 10_000
_SHORTEST_SECRET = 32


class BadSigningKey(SlotwatchError):
    """The key that signs tokens cannot be used."""

    code = "bad_signing_key"


class Role(StrEnum):
    """What somebody may call."""

    DRIVER = "driver"
    VENDOR = "vendor"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Caller:
    """The person behind a token; the contact is what the token says about it, if anything.

    An address is proven where we signed the token, or where another issuer says in so many words that it is verified:
    whoever proved an address may sign in by it, and many issuers let people type what they like.
    """

    subject: str
    role: Role
    vendor_id: int | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    email_is_proven: bool = True
    phone_is_proven: bool = True

    @property
    def proven_email(self) -> str | None:
        """The e-mail address, if the token proves that it is theirs."""
        return self.email if self.email_is_proven else None

    @property
    def proven_phone(self) -> str | None:
        """The phone number, if the token proves that it is theirs."""
        return self.phone if self.phone_is_proven else None

    @property
    def key(self) -> str:
        """What separates one caller's Idempotency-Keys from another's."""
        return f"{self.role}:{self.subject}"


_Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Claims(msgspec.Struct):
    """What a token must and may say; other claims are passed over."""

    sub: _Subject
    role: Role
    exp: float
    iss: str | None = None
    aud: str | list[str] | None = None
    nbf: float | None = None
    vendor_id: str | int | None = None
    name: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    phone_number: str | None = None
    phone_number_verified: bool | None = None


class TokenSigner:
    """Signs tokens with our own key (Ed25519) and knows its public half."""

    def __init__(self, key: OKPKey) -> None:
        self._key = key
        self.kid = key.thumbprint()
        self.public = KeySet([OKPKey.import_key(key.as_dict(private=False), {"kid": self.kid})])

    def derived_key(self, purpose: str) -> bytes:
        """32 bytes for another use of this key; they tell nothing about it."""
        secret = self._key.as_dict(private=True)["d"]
        return hmac.digest(str(secret).encode(), purpose.encode(), hashlib.sha256)

    def issue(
        self,
        sub: str,
        role: str,
        *,
        vendor_id: int | None = None,
        name: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        lifetime: timedelta = timedelta(days=30),
    ) -> str:
        """A token for that person. Raises ValueError with a sentence where a claim makes no sense."""
        if role not in list(Role):
            raise ValueError(f"the role is one of {', '.join(Role)}")
        if (Role(role) is Role.VENDOR) != (vendor_id is not None):
            raise ValueError("a vendor's token names the vendor, and no other does")
        now = int(_wall_clock())
        claims = {
            "iss": _LOCAL_ISSUER,
            "sub": sub,
            "role": Role(role).value,
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
            "vendor_id": None if vendor_id is None else ref("VN", vendor_id),
            "name": None if name is None else checked_name(name),
            "email": None if email is None else checked_email(email),
            "phone_number": None if phone is None else checked_phone(phone),
        }
        given = {name: value for name, value in claims.items() if value is not None}
        try:
            msgspec.convert(given, _Claims)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        header = {"alg": _LOCAL_ALGORITHM, "kid": self.kid}
        return jwt.encode(header, given, self._key, algorithms=[_LOCAL_ALGORITHM])


def load_signer(settings: WebSettings, folder: Path) -> TokenSigner:
    """The signer by the settings; else by the key file, in `folder` unless named, made with mode 0600 if missing.

    Raises BadSigningKey with a sentence.
    """
    if settings.signing_key is not None:
        return TokenSigner(_key_from_text(settings.signing_key))
    path = Path(settings.signing_key_file or folder / "signing-key.json").expanduser()
    try:
        _make_key_file(path)
        if path.stat().st_mode & 0o077:
            raise BadSigningKey(f"Others may read {path}. Make it yours alone: chmod 600 {path}")
        return TokenSigner(_key_from_text(path.read_text(encoding="ascii")))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSigningKey(f"The signing key {path} cannot be used: {error}") from error


def _make_key_file(path: Path) -> None:
    """Written aside and linked into place: of two processes that start at once, both read the same whole key."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(OKPKey.generate_key("Ed25519", private=True).as_dict(private=True)))
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(aside)
    except FileExistsError:
        pass
    finally:
        aside.unlink()


def _key_from_text(text: str) -> OKPKey:
    text = text.strip()
    if not text.startswith("{"):
        if len(text) < _SHORTEST_SECRET:
            raise BadSigningKey(f"The signing key needs at least {_SHORTEST_SECRET} characters that nobody can guess.")
        seed = HKDF(hashes.SHA256(), 32, salt=None, info=b"slotwatch signs tokens").derive(text.encode())
        return _from_seed(seed)
    try:
        key = OKPKey.import_key(msgspec.json.decode(text))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise BadSigningKey("The signing key is neither a JWK nor a secret.") from error
    if key.curve_name != "Ed25519" or not key.is_private:
        raise BadSigningKey("The signing key must be a private JWK of the curve Ed25519.")
    return key


def _from_seed(seed: bytes) -> OKPKey:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    parts = {"d": urlsafe_b64encode(seed).decode(), "x": urlsafe_b64encode(public).decode()}
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", **parts})


def _wall_clock() -> float:
    # A token's life is told in wall-clock time by whoever signed it; nothing on a booking's timeline depends on it.
    return time.time()  # noqa: TID251 -- tokens of foreign issuers end by the world's clock, not the database's


class Authenticator:
    """Turns the Authorization header into a Caller. Remembers tokens that it has checked, until they end."""

    def __init__(
        self,
        settings: WebSettings,
        signer: TokenSigner,
        *,
        wall_clock: Callable[[], float] = _wall_clock,
    ) -> None:
        self._signer = signer
        self._issuer = settings.oidc_issuer
        self._audience = settings.oidc_audience
        has_issuer = settings.oidc_issuer is not None or settings.jwks_url is not None
        self._jwks = Jwks(issuer=settings.oidc_issuer, url=settings.jwks_url) if has_issuer else None
        self._wall_clock = wall_clock
        self._known: dict[bytes, tuple[Caller, float]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """Who that is. Raises Unauthenticated with a sentence that says why not."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if not token or scheme.lower() != "bearer":
            raise Unauthenticated
        if len(token) > _LONGEST_TOKEN or not token.isascii():
            raise Unauthenticated("This token cannot be read.")
        digest = hashlib.sha256(token.encode("ascii")).digest()
        known = self._known.get(digest)
        if known is None:
            known = await self._check(token)
            self._remember(digest, known)
        caller, ends = known
        if self._wall_clock() >= ends:
            self._known.pop(digest, None)
            raise Unauthenticated("This token has expired. Get a new one.")
        return caller

    async def close(self) -> None:
        """Close what was opened to fetch keys."""
        if self._jwks is not None:
            await self._jwks.close()

    def _remember(self, digest: bytes, known: tuple[Caller, float]) -> None:
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[digest] = known

    async def _check(self, token: str) -> tuple[Caller, float]:
        try:
            header, payload = _unproven(token)
            is_ours = payload.get("iss") == _LOCAL_ISSUER
            proven = self._ours(token) if is_ours else await self._foreign(token, header.get("kid"))
            claims = msgspec.convert(proven, _Claims)
            self._check_claims(claims, is_ours=is_ours)
            return _caller(claims, is_ours=is_ours), claims.exp + _LEEWAY_SECONDS
        except msgspec.ValidationError as error:
            raise Unauthenticated(f"This token lacks what slotwatch needs: {error}.") from error
        except (JoseError, ValueError, TypeError, KeyError, NotFound) as error:
            raise Unauthenticated("This token is not valid.") from error

    def _ours(self, token: str) -> dict[str, Any]:
        return jwt.decode(token, self._signer.public, algorithms=[_LOCAL_ALGORITHM]).claims

    async def _foreign(self, token: str, kid: object) -> dict[str, Any]:
        if self._jwks is None:
            raise ValueError("no issuer but ours is believed")
        keys = await self._jwks.keys(kid if isinstance(kid, str) else None)
        return jwt.decode(token, keys, algorithms=_FOREIGN_ALGORITHMS).claims

    def _check_claims(self, claims: _Claims, *, is_ours: bool) -> None:
        if claims.nbf is not None and self._wall_clock() < claims.nbf - _LEEWAY_SECONDS:
            raise ValueError("not valid yet")
        if is_ours:
            return
        if self._issuer is not None and claims.iss != self._issuer:
            raise ValueError("another issuer's token")
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
        if self._audience is not None and self._audience not in audience:
            raise ValueError("a token for somebody else")


def only(role: Role) -> Callable[[Request[Any, Any, Any]], Awaitable[None]]:
    """A `before_request` hook: lets callers with that role in and puts them into the request's `user`.

    Not a guard of Litestar's: for each of those it copies the handler, which takes longer than the look at the token.
    """

    async def let_in(request: Request[Any, Any, Any]) -> None:
        authenticator: Authenticator = request.app.state.authenticator
        caller = await authenticator.caller(request.headers.get("authorization"))
        if caller.role is not role:
            raise ForbiddenRole(f"This call is for the role {role}; your token has the role {caller.role}.")
        request.scope["user"] = caller

    return let_in


def _unproven(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they stand, before the signature is checked: only to choose the key."""
    parts = jws.extract_compact(token.encode("ascii"))
    payload = msgspec.json.decode(parts.payload)
    if not isinstance(payload, dict):
        raise ValueError("claims are an object")
    return dict(parts.headers()), payload


def _caller(claims: _Claims, *, is_ours: bool) -> Caller:
    vendor_id = claims.vendor_id
    if isinstance(vendor_id, str):
        vendor_id = parse_ref("VN", vendor_id)
    if claims.role is Role.VENDOR and vendor_id is None:
        raise ValueError("a vendor without vendor_id")
    return Caller(
        subject=claims.sub,
        role=claims.role,
        vendor_id=vendor_id if claims.role is Role.VENDOR else None,
        name=_if_good(checked_name, claims.name),
        email=_if_good(checked_email, claims.email) if claims.email_verified is not False else None,
        phone=_if_good(checked_phone, claims.phone_number) if claims.phone_number_verified is not False else None,
        email_is_proven=is_ours or claims.email_verified is True,
        phone_is_proven=is_ours or claims.phone_number_verified is True,
    )


def _if_good(check: Callable[[str], str], text: str | None) -> str | None:
    """What an issuer says about a contact is taken if it can be used, and passed over if not."""
    try:
        return None if text is None else check(text)
    except ValueError:
        return None
