"""An address as those see it who need to recognise it, but not to use it."""

__all__ = ["masked"]


def masked(address: str) -> str:
    """The first letter of an e-mail address and its host, the last two digits of a phone number.

    >>> masked("mira@example.org"), masked("+15005550010"), masked("")
    ('m•••@example.org', '••• 10', '')
    """
    name, at, host = address.partition("@")
    if at:
        return f"{name[:1]}•••@{host}"
    return f"••• {address[-2:]}" if address else ""
