"""Which IP addresses an outgoing request may connect to.

IPv6 is judged by allowance: only 2000::/3 holds global unicast addresses, so whatever else exists
now or is assigned later (loopback, link-local, unique and site-local, NAT64, segment routing,
multicast) is refused without being listed. IPv4 is judged by denial, since its global space is
what is left over. Python's own `is_global` is asked too, but never alone: it calls multicast,
6to4 and, depending on the patch release, carrier-grade NAT and NAT64 global.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")

_DENIED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(cidr)
    for cidr in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; cloud metadata lives here too
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a global address that one cloud answers inside every machine
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, cloud metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)


def unwrap_address(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped one, any other address as it is.

    The operating system connects ::ffff:a.b.c.d over IPv4, so it is judged, and connected to, as
    that.
    """
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_listed(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether one of `networks` holds `address` (unwrapped first)."""
    address = unwrap_address(address)
    return any(address in network for network in networks)


def is_allowed(address: Address, allow: Iterable[Network]) -> bool:
    """Return whether an outgoing request may connect to `address`.

    True for what the operator lists in `allow`, and for globally routable unicast addresses.
    """
    if is_listed(address, allow):
        return True
    address = unwrap_address(address)
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_V6:
        return False
    return address.is_global and not is_listed(address, _DENIED)
