"""The `notices push-key` command: a new VAPID key, as the lines that go into the environment."""

from slotwatch.channels.push_crypto import VapidKey

__all__ = ["run_push_key"]


def run_push_key() -> None:
    """Print them; nothing is kept."""
    key = VapidKey.generate()
    print(f"SLOTWATCH_PUSH_PRIVATE_KEY={key}")  # noqa: T201
    print("SLOTWATCH_PUSH_CONTACT=mailto:you@example.com")  # noqa: T201
