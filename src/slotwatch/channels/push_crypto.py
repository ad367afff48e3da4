"""The cryptography of web push: the message for the browser alone (RFC 8291), our name for the push service (RFC 8292).

Written on `cryptography`, which sign-in brings anyway: the PyPI package `webpush` would add pydantic and PyJWT for
these sixty lines, and reads the wall clock by itself. The example of RFC 8291, section 5, is a test.
"""

import base64
import binascii
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["LONGEST_PAYLOAD", "BrowserKeys", "VapidKey", "decode", "encode", "encrypt"]

_RECORD: Final = 4096  # bytes; what every push service takes (RFC 8030, section 7.2)
LONGEST_PAYLOAD: Final = _RECORD - 86 - 16 - 1  # less header, tag and delimiter
_TOKEN_LIFE: Final = timedelta(hours=12)  # RFC 8292 allows 24


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Base64, of either alphabet, padded or not. Raises ValueError."""
    try:
        bare = text.rstrip("=").replace("-", "+").replace("_", "/").encode("ascii")
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("this is not base64") from error


@dataclass(frozen=True)
class BrowserKeys:
    """What a browser gave us to encrypt with."""

    public: ec.EllipticCurvePublicKey
    secret: bytes

    @classmethod
    def read(cls, p256dh: str, auth: str) -> "BrowserKeys":
        """From the texts of a subscription. Raises ValueError."""
        secret = decode(auth)
        if len(secret) != 16:
            raise ValueError("the secret must have 16 bytes")
        return cls(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(p256dh)), secret)


class VapidKey:
    """The key that names us to push services; `text` is the private number in base64url, as `web-push` prints it."""

    def __init__(self, text: str) -> None:
        number = decode(text)
        if len(number) != 32:
            raise ValueError("a VAPID key has 32 bytes")
        self._private = ec.derive_private_key(int.from_bytes(number, "big"), ec.SECP256R1())
        self.public = encode(_point(self._private.public_key()))

    @staticmethod
    def generate() -> str:
        """A new private key, as text."""
        return encode(ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big"))

    def authorization(self, audience: str, subject: str, now: datetime) -> str:
        """The header that says to one push service who we are and how to reach us."""
        claims = {"aud": audience, "exp": int((now + _TOKEN_LIFE).timestamp()), "sub": subject}
        signed = ".".join(encode(msgspec.json.encode(part)) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
        r, s = decode_dss_signature(self._private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"vapid t={signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}, k={self.public}"


def encrypt(
    payload: bytes,
    browser: BrowserKeys,
    *,
    ours: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """One record of `aes128gcm` (RFC 8188). `ours` and `salt` are random for each message but in tests."""
    ours = ours or ec.generate_private_key(ec.SECP256R1())
    salt = salt or os.urandom(16)
    our_point = _point(ours.public_key())
    shared = ours.exchange(ec.ECDH(), browser.public)
    material = _hkdf(browser.secret, shared, b"WebPush: info\x00" + _point(browser.public) + our_point, 32)
    key = _hkdf(salt, material, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _hkdf(salt, material, b"Content-Encoding: nonce\x00", 12)
    header = salt + _RECORD.to_bytes(4, "big") + len(our_point).to_bytes(1, "big") + our_point
    return header + AESGCM(key).encrypt(nonce, payload + b"\x02", None)


def _hkdf(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(material)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
