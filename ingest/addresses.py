"""Which network addresses are public. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")
_V4_MASK: Final = 0xFFFF_FFFF


def is_public(address: str) -> bool:
    """Tell whether an IP address, as text, is one of the public internet, whatever IPv4 address it wraps included."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and (wrapped := _wrapped(found)):
        return all(_is_public(one) for one in wrapped)
    return _is_public(found)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    special = (
        *(address.is_private, address.is_loopback, address.is_link_local, address.is_multicast),
        *(address.is_reserved, address.is_unspecified, isinstance(address, IPv6Address) and address.is_site_local),
    )
    return address.is_global and not any(special)


def _wrapped(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that packets to an IPv6 address end up at."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    return (IPv4Address(int(address) & _V4_MASK),) if address in _NAT64 else ()
