"""The outgoing request over TLS: verified against the name, connected to the judged address."""

from __future__ import annotations

import datetime
import socket
import ssl
import time
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from incidents.outbound.client import TimedOut, Unreachable
from tests.channels.test_client import call, names
from tests.providers import Provider


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority for the test: (server context for good.example, trusting client)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "test")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("good.example"), x509.IPAddress(ip_address("127.0.0.2"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())


def test_tls_is_verified_against_the_name_and_connected_to_the_address(authority):
    server, client = authority
    asked = []
    server.sni_callback = lambda sock, name, context: asked.append(name)
    with Provider(tls=server) as provider:
        here = names("127.0.0.1")
        good = f"https://good.example:{provider.port}/"
        assert call(good, resolve=here, tls=client).status == 200
        assert asked == ["good.example"]
        with pytest.raises(Unreachable, match="certificate is not accepted"):
            call(f"https://other.example:{provider.port}/", resolve=here, tls=client)
        with pytest.raises(Unreachable, match="certificate is not accepted"):
            call(provider.url, tls=client)
        with pytest.raises(Unreachable, match="certificate is not accepted"):
            call(good, resolve=here)
    assert len(provider.got) == 1


def test_tls_to_a_literal_address_is_verified_against_it(authority):
    server, client = authority
    with Provider(tls=server, host="127.0.0.2") as provider:
        assert call(provider.url, tls=client).status == 200


def test_a_handshake_that_never_comes_is_cut_off(authority):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        start = time.monotonic()
        with pytest.raises(TimedOut):
            call(f"https://127.0.0.1:{listener.getsockname()[1]}/", timeout=1, deadline=0.4)
        assert time.monotonic() - start < 1.5


def test_plain_http_on_the_tls_port_is_unreachable(authority):
    with Provider() as provider, pytest.raises(Unreachable, match="TLS failed"):
        call(provider.url.replace("http:", "https:"), tls=authority[1])
