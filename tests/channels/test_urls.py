"""What a saved URL may look like."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from incidents.outbound.urls import UnsafeUrl, check_url, read_url
from tests.channels.test_addresses import words

LOOPBACK = (ip_network("127.0.0.0/8"),)
# Every way to write an address that a C library or a codec turns into an inner one.
INNER_HOSTS = words("""
    127.0.0.1 127.0.0.1. 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0X7F.0.0.1 017700000001
    0177.0.0.1 0177.0.0.0x1 127.0.0.01 0 0.0.0.0 169.254.169.254 2852039166 0xa9fea9fe 10.1
    192.168.257 [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1]
    [::127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] [fe80::1] [fd00:ec2::254] [FE80::1]
""")
# Digits and dots of other scripts that the IDNA codec turns into ASCII.
INNER_HOSTS += [
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "\u2460\u2461\u2466.0.0.1",
    "\u246f\u2468.254.169.254",
    "\uff10x7f.1",
    "\u24ea177.1",
]
MALFORMED = [
    "",
    "example.com",
    "//example.com",
    "/hook",
    "https://",
    "https:///hook",
    "https:example.com",
    "ftp://example.com",
    "file:///etc/passwd",
    "gopher://example.com",
    "javascript:alert(1)",
    "https://user@example.com",
    "https://user:pass@example.com",
    "https://8.8.8.8@127.0.0.1/",
    "https://example.com:0",
    "https://example.com:65536",
    "https://example.com:123456",
    "https://example.com:-1",
    "https://example.com:x",
    "https://example.com:80:80",
    "https://exa mple.com",
    "https://example.com/a b",
    "https://exam\tple.com",
    "https://example.com/\r\nX-Injected: 1",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/\x00",
    "https://example.com/\u202egpj",
    "https://example.com/\ud800",
    "https://127%2e0.0.1/",
    "https://exam%00ple.com/",
    "https://a..b/",
    "https://.example.com/",
    "https://-a.example.com/",
    "https://" + "a" * 64 + ".example.com/",
    "https://" + "a." * 127 + "example.com/",
    "https://example.com/" + "a" * 2048,
    "https://256.1.1.1/",
    "https://1.2.3.4.5/",
    "https://4294967296/",
    "https://0x100000000/",
    "https://08.1.1.1/",
    "https://example.1/",
    "https://[::1",
    "https://]::1[/",
    "https://[::1]x/",
    "https://[1.1.1.1]/",
    "https://[example.com]/",
    "https://[v1.a]/",
    "https://[fe80::1%eth0]/",
    "https://[fe80::1%25eth0]/",
    "https://[2606:4700::1111%251]/",
]


@pytest.mark.parametrize("host", INNER_HOSTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_inner_address_is_refused_in_every_spelling(host, scheme):
    with pytest.raises(UnsafeUrl):
        check_url(f"{scheme}://{host}/hook", ())
    with pytest.raises(UnsafeUrl):
        check_url(f"{scheme}://{host}:8080", (ip_network("10.99.0.0/16"),))


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_url_is_refused_with_a_sentence(url):
    with pytest.raises(UnsafeUrl) as error:
        check_url(url, LOOPBACK)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", ("example.com", 443, "/", "example.com")),
        ("HTTPS://Example.COM./a", ("example.com", 443, "/a", "example.com")),
        ("https://example.com:8443/?q=1#part", ("example.com", 8443, "/?q=1", "example.com:8443")),
        ("https://bücher.example/ü?ü", ("xn--bcher-kva.example", 443, "/%C3%BC?%C3%BC", None)),
        ("https://example.com/%20a", ("example.com", 443, "/%20a", "example.com")),
        ("https://a_b.example/", ("a_b.example", 443, "/", "a_b.example")),
        ("https://1.1.1.1", ("1.1.1.1", 443, "/", "1.1.1.1")),
        ("https://0x01010101", ("1.1.1.1", 443, "/", "1.1.1.1")),
        ("https://[2606:4700::1111]:444", ("2606:4700::1111", 444, "/", "[2606:4700::1111]:444")),
        ("https://localhost/", ("localhost", 443, "/", "localhost")),
    ],
)
def test_a_good_url_is_read_once_into_one_spelling(url, target):
    host, port, path, header = target
    check_url(url, ())
    read = read_url(url)
    assert (read.host, read.port, read.path) == (host, port, path)
    assert read.host_header == (header or host)


def test_plain_http_is_for_the_operators_networks_only():
    for url in ("http://8.8.8.8/", "http://127.0.0.1/", "http://example.com/"):
        with pytest.raises(UnsafeUrl, match=r"https|not allowed"):
            check_url(url, ())
    check_url("http://127.0.0.1/", LOOPBACK)
    check_url("http://2130706433/", LOOPBACK)
    check_url("http://alertmanager:9093/", LOOPBACK)
    with pytest.raises(UnsafeUrl, match="https"):
        check_url("http://8.8.8.8/", LOOPBACK)
