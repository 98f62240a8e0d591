"""Which addresses belong to the public Internet."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

__all__ = ["is_public", "resolve"]

# IANA's special-purpose registries (RFC 6890 and its updates), and multicast and reserved space.
_SPECIAL = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    "168.63.129.16/32",  # looks public, but is the host of an Azure machine
)
_SPECIAL_V4: Final = tuple(ipaddress.IPv4Network(text) for text in _SPECIAL)
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")  # all that was ever given out (RFC 4291, section 2.4)
_SPECIAL_V6: Final = tuple(
    ipaddress.IPv6Network(text)
    # protocol assignments (Teredo is among them), documentation, 6to4, documentation again
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
# What networks without IPv4 resolve a host to that has nothing else (RFC 6052).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Say whether `address`, an IP address as text, belongs to the public Internet; what isn't one doesn't."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return False
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
        return found in _GLOBAL_V6 and not any(found in network for network in _SPECIAL_V6)
    return not any(found in network for network in _SPECIAL_V4)


def resolve(host: str, port: int) -> Sequence[str]:
    """Give all addresses of a host, as the system knows them.

    Raises:
        OSError: If there is none.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a part of the name is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "not a host's name") from error
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))
