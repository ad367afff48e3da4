"""Whether an address leads to this machine alone."""

import ipaddress
from urllib.parse import urlsplit

__all__ = ["is_this_machine", "leads_to_this_machine"]


def is_this_machine(host: str) -> bool:
    """Whether that name or IP address is this machine's own, which nobody else reaches."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def leads_to_this_machine(url: str) -> bool:
    """The same of the host that a URL names."""
    return is_this_machine(urlsplit(url).hostname or "")
