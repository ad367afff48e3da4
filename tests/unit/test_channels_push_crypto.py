"""The cryptography of web push, against the examples of the RFCs and against their other half."""

from datetime import UTC, datetime

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from slotwatch.channels.push_crypto import BrowserKeys, VapidKey, decode, encode, encrypt

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decode(text), "big"), ec.SECP256R1())


def test_the_example_of_rfc_8291_comes_out_byte_for_byte() -> None:
    browser = BrowserKeys.read(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    record = encrypt(
        b"When I grow up, I want to be a watermelon",
        browser,
        ours=private_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        salt=decode("DGv6ra1nlYgDCS1FRnbzlw"),
    )

    assert encode(record) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_no_two_records_of_the_same_message_are_alike() -> None:
    browser = BrowserKeys(ec.generate_private_key(ec.SECP256R1()).public_key(), b"s" * 16)
    assert encrypt(b"Go.", browser) != encrypt(b"Go.", browser)


def test_the_push_service_can_check_who_we_are() -> None:
    key = VapidKey(VapidKey.generate())
    header = key.authorization("https://push.example", "mailto:ops@slotwatch.example", NOON)

    token, public = (part.partition("=")[2] for part in header.removeprefix("vapid ").split(", "))
    signed, _, signature = token.rpartition(".")
    raw = decode(signature)
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(public))
    halves = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    point.verify(encode_dss_signature(*halves), signed.encode(), ec.ECDSA(hashes.SHA256()))
    assert msgspec.json.decode(decode(signed.split(".")[1])) == {
        "aud": "https://push.example",
        "exp": int(NOON.timestamp()) + 12 * 3600,
        "sub": "mailto:ops@slotwatch.example",
    }
    assert public == key.public


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        ("", encode(b"s" * 16)),
        (encode(b"\x04" + b"\x01" * 64), encode(b"s" * 16)),  # not on the curve
        (encode(b"\x00"), encode(b"s" * 16)),
        ("£", encode(b"s" * 16)),
        (VapidKey(VapidKey.generate()).public, "short"),
        (VapidKey(VapidKey.generate()).public, "!"),
    ],
    ids=["empty", "not on the curve", "too short", "not ASCII", "short auth", "odd auth"],
)
def test_keys_that_are_none_are_a_value_error(p256dh: str, auth: str) -> None:
    with pytest.raises(ValueError):
        BrowserKeys.read(p256dh, auth)


@pytest.mark.parametrize("text", ["-_8", "+/8=", "-_8="])
def test_base64_is_read_in_either_alphabet(text: str) -> None:
    assert decode(text) == b"\xfb\xff"
