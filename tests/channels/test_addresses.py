"""Which addresses may be connected to."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from incidents.outbound.addresses import is_allowed


def words(text):
    """A table of words without a line and two quotes for each."""
    return text.split()


DENIED = words("""
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1
    127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192
    192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1
    239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
    ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1
    2001:0:53aa:64c:0:fbfe:80ff:fffe 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1
    2002:808:808::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff0e::1
""")
ALLOWED = words("""
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
    172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
    223.255.255.255 ::ffff:8.8.8.8 2001:4860:4860::8888 2606:4700::1111 2a00:1450::1
""")


@pytest.mark.parametrize("text", DENIED)
def test_not_global_is_denied(text):
    assert not is_allowed(ip_address(text), ())


@pytest.mark.parametrize("text", ALLOWED)
def test_global_is_allowed(text):
    assert is_allowed(ip_address(text), ())


@pytest.mark.parametrize(
    ("text", "network", "verdict"),
    [
        ("127.0.0.1", "127.0.0.0/8", True),
        ("::ffff:127.0.0.1", "127.0.0.0/8", True),
        ("10.1.2.3", "127.0.0.0/8", False),
        ("::1", "127.0.0.0/8", False),
        ("64:ff9b::7f00:1", "127.0.0.0/8", False),
        ("2002:7f00:1::1", "127.0.0.0/8", False),
        ("::7f00:1", "127.0.0.0/8", False),
        ("fd12::1", "fd12::/16", True),
        ("8.8.8.8", "fd12::/16", True),
    ],
)
def test_the_operator_opens_exactly_what_is_listed(text, network, verdict):
    assert is_allowed(ip_address(text), (ip_network(network),)) is verdict
