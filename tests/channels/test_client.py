"""The outgoing request against real servers on loopback: pinned, bounded, nothing followed."""

from __future__ import annotations

import socket
import sys
import threading
import time
from ipaddress import ip_network

import pytest

from incidents.outbound.client import MAX_BODY_BYTES, Refused, TimedOut, Unreachable, post
from tests.channels.test_urls import INNER_HOSTS
from tests.providers import Answer, Provider

LOOPBACK = (ip_network("127.0.0.0/8"),)


def call(url, *, allow=LOOPBACK, body=b"{}", headers=(), timeout=2.0, deadline=3.0, **rest):
    return post(
        url,
        body=body,
        headers=dict(headers),
        allow=allow,
        timeout_seconds=timeout,
        deadline_seconds=deadline,
        **rest,
    )


def names(*addresses):
    """A resolver that gives these addresses, and counts how often it is asked."""

    def resolve(host, port, **_):
        resolve.asked.append(host)
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in addresses
        ]

    resolve.asked = []
    return resolve


_connects: list[tuple] = []


def _audit(event, args):
    if event == "socket.connect":
        _connects.append(args[1])


sys.addaudithook(_audit)


@pytest.fixture
def connects():
    """Every address that this process connects to during the test."""
    _connects.clear()
    return _connects


# --- what is sent and what comes back -------------------------------------------------------


def test_the_request_arrives_as_given():
    with Provider(lambda n: Answer(202, {"X-Reply": "ü"}, b"fine")) as provider:
        reply = call(provider.url + "?a=1", body=b'{"a":1}', headers={"X-Mine": "yes"})
    assert (reply.status, reply.body) == (202, b"fine")
    assert reply.headers["x-reply"]
    (got,) = provider.got
    assert (got.method, got.path, got.body) == ("POST", "/hook?a=1", b'{"a":1}')
    assert got.headers == {
        "host": f"127.0.0.1:{provider.port}",
        "user-agent": "Tocsin",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": "7",
        "x-mine": "yes",
    }


def test_the_caller_cannot_change_where_or_how_it_is_sent():
    with Provider() as provider:
        call(provider.url, headers={"Host": "other", "Content-Length": "1"}, body=b"12")
    assert provider.got[0].headers["host"] == f"127.0.0.1:{provider.port}"
    assert provider.got[0].body == b"12"


def test_a_header_with_a_line_end_is_not_sent():
    with Provider() as provider, pytest.raises(Unreachable):
        call(provider.url, headers={"X-Mine": "a\r\nX-Other: b"})
    assert provider.got == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status):
    with Provider() as inner, Provider() as provider:
        provider.answer = lambda n: Answer(status, {"Location": inner.url})
        assert call(provider.url).status == status
    assert inner.connections == 0


def test_proxy_variables_are_ignored(monkeypatch):
    with Provider() as proxy, Provider() as provider:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert call(provider.url).status == 200
    assert proxy.connections == 0


def test_a_cookie_is_not_kept():
    with Provider(lambda n: Answer(headers={"Set-Cookie": "a=1"})) as provider:
        call(provider.url)
        call(provider.url)
    assert "cookie" not in provider.got[1].headers


# --- size -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"x" * 300_000),
        Answer(
            raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"186A0\r\n" + b"x" * 100_000 + b"\r\n0\r\n\r\n"
        ),
        Answer(raw=b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 200_000),
        Answer(body=b"x" * 70_000, announce=10**15),
    ],
    ids=["length", "chunked", "until closed", "lying"],
)  # fmt: skip
def test_at_most_64_kb_of_the_answer_is_read(answer):
    with Provider(lambda n: answer) as provider:
        reply = call(provider.url)
    assert (reply.status, reply.body) == (200, b"x" * MAX_BODY_BYTES)


def test_compressed_bytes_stay_compressed():
    bomb = Answer(headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b\x08garbage")
    with Provider(lambda n: bomb) as provider:
        assert call(provider.url).body == b"\x1f\x8b\x08garbage"


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n",
        (b"HTTP/1.1 100 Continue\r\n\r\n") * 40_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 9_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1;xxxxxxxxxx\r\na\r\n" * 60_000,
        b"",
    ],
)
def test_what_is_not_an_http_answer_is_unreachable(raw):
    with Provider(lambda n: Answer(raw=raw)) as provider, pytest.raises(Unreachable):
        call(provider.url)


# --- time -----------------------------------------------------------------------------------


def test_a_slow_answer_times_out_per_step():
    with Provider(lambda n: Answer(delay_seconds=20)) as provider:
        start = time.monotonic()
        with pytest.raises(TimedOut):
            call(provider.url, timeout=0.2, deadline=5)
        assert time.monotonic() - start < 1.5


@pytest.mark.parametrize(
    "answer",
    [
        Answer(drip_seconds=0.05),
        Answer(raw=b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 900, drip_seconds=0.05),
    ],
    ids=["whole answer", "endless header"],
)
def test_a_dripping_peer_is_cut_off_at_the_deadline(answer):
    with Provider(lambda n: answer) as provider:
        start = time.monotonic()
        with pytest.raises(TimedOut, match=r"0\.5 s in all"):
            call(provider.url, timeout=1, deadline=0.5)
        assert 0.4 < time.monotonic() - start < 1.5


def test_a_dripping_body_is_cut_off_though_the_status_came():
    drip = threading.Event()

    def serve(listener):
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not drip.wait(0.05):
                try:
                    peer.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        start = time.monotonic()
        with pytest.raises(TimedOut):
            call(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=1, deadline=0.5)
        assert time.monotonic() - start < 1.5
        drip.set()
        server.join(5)


def test_a_peer_that_does_not_read_is_cut_off_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        start = time.monotonic()
        with pytest.raises(TimedOut):
            call(
                f"http://127.0.0.1:{listener.getsockname()[1]}/",
                body=b"x" * 50_000_000,
                timeout=0.4,
                deadline=0.6,
            )
        assert time.monotonic() - start < 2


def test_a_stuck_name_server_is_left_behind():
    release = threading.Event()

    def resolve(host, port, **_):
        release.wait(10)
        return []

    start = time.monotonic()
    with pytest.raises(TimedOut, match="resolved"):
        call("https://stuck.example/", deadline=0.3, resolve=resolve)
    assert time.monotonic() - start < 1.5
    release.set()


# --- broken connections ---------------------------------------------------------------------


def test_a_reset_is_unreachable():
    with Provider(lambda n: Answer(reset=True)) as provider, pytest.raises(Unreachable):
        call(provider.url)


def test_an_answer_that_breaks_off_is_unreachable():
    for answer in (
        Answer(body=b"short", announce=50),
        Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nshort"),
    ):
        with Provider(lambda n, a=answer: a) as provider, pytest.raises(Unreachable):
            call(provider.url)


def test_a_closed_port_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match="connection refused"):
        call(f"http://127.0.0.1:{port}/")


def test_an_unknown_name_is_unreachable():
    def resolve(host, port, **_):
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(Unreachable, match="does not resolve"):
        call("https://nowhere.example/", resolve=resolve)


# --- where it connects to -------------------------------------------------------------------


@pytest.mark.parametrize("host", INNER_HOSTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_an_inner_address_opens_a_socket(host, scheme, connects):
    with Provider() as provider, pytest.raises(Refused):
        call(f"{scheme}://{host}:{provider.port}/", allow=())
    assert connects == []
    assert provider.connections == 0


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1", "10.0.0.1"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_of_an_inner_address_opens_no_socket(address, scheme, connects):
    with pytest.raises(Refused, match="address not allowed"):
        call(f"{scheme}://innocent.example/", allow=(), resolve=names(address))
    assert connects == []


def test_the_real_resolver_is_judged_too(connects):
    with Provider() as provider, pytest.raises(Refused):
        call(f"https://localhost:{provider.port}/", allow=())
    assert [peer for peer in connects if peer[1] == provider.port] == []


def test_a_rebinding_name_reaches_only_what_was_judged(connects):
    """The name answers with an allowed address once, and with an inner one ever after."""
    with Provider() as inner, Provider(host="127.0.0.2", port=inner.port) as outer:
        answers = iter(["127.0.0.2", "127.0.0.1", "127.0.0.1"])

        def resolve(host, port, **_):
            return names(next(answers))(host, port)

        allow = (ip_network("127.0.0.2/32"),)
        url = f"http://rebind.example:{inner.port}/"
        assert call(url, allow=allow, resolve=resolve).status == 200
        with pytest.raises(Refused):
            call(url, allow=allow, resolve=resolve)
        assert outer.got[0].headers["host"] == f"rebind.example:{inner.port}"
        assert inner.connections == 0
        assert next(answers) == "127.0.0.1"  # asked once for each call
    assert connects == [("127.0.0.2", inner.port)]


def test_among_several_addresses_only_the_allowed_are_tried(connects):
    with Provider() as provider:
        resolve = names("10.0.0.1", "::1", "169.254.169.254", "127.0.0.1")
        assert call(f"http://many.example:{provider.port}/", resolve=resolve).status == 200
    assert connects == [("127.0.0.1", provider.port)]


def test_the_next_address_is_tried_when_one_is_dead():
    with Provider(host="127.0.0.3") as provider:
        resolve = names("127.0.0.2", "127.0.0.3")
        assert call(f"http://two.example:{provider.port}/", resolve=resolve).status == 200


def test_a_name_with_a_thousand_addresses_is_not_a_port_scan(connects):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    resolve = names(*(f"127.0.1.{n}" for n in range(200)))
    with pytest.raises(Unreachable):
        call(f"http://many.example:{port}/", resolve=resolve)
    assert len(connects) == 4


def test_plain_http_reaches_the_operators_networks_only(connects):
    with pytest.raises(Refused, match="use https"):
        call("http://outside.example/", resolve=names("8.8.8.8"))
    assert connects == []
