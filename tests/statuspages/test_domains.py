"""Custom domains: proved by a real DNS answer, taken from nobody, lost after a week."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from django.test import Client
from django.utils.timezone import now

from accounts.models import Scope
from statuspages.models import StatusPage
from statuspages.services.pages import domain_record
from statuspages.serving.domains import TAKEN, Proof, recheck_domains, verify_domain
from tests.conftest import Api
from tests.factories import TeamFactory, make_key
from tests.racing import at_once, start
from tests.statuspages.visiting import again, change, get, make_page, own_domain

pytestmark = pytest.mark.django_db(transaction=True)
DOMAIN = "status.acme.example"
NAME = f"_tocsin.{DOMAIN}."


class NameServer:
    """A DNS server on loopback: answers TXT questions from a table, and remembers them."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.rcode = dns.rcode.NOERROR
        self.mute = False
        self.asked: list[str] = []
        self.meanwhile: Any = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, sender = self.socket.recvfrom(4096)
                query = dns.message.from_wire(data)
                name = query.question[0].name.to_text()
                self.asked.append(name)
                if self.meanwhile:
                    self.meanwhile()
                if self.mute:
                    continue
                answer = dns.message.make_response(query)
                answer.flags |= dns.flags.RA | dns.flags.AA
                answer.set_rcode(self.rcode)
                if name in self.texts:
                    quoted = [
                        " ".join(f'"{part}"' for part in text.split("|"))
                        for text in self.texts[name]
                    ]
                    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *quoted))
                elif self.rcode == dns.rcode.NOERROR and "empty" not in name:
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                self.socket.sendto(answer.to_wire(), sender)

    def prove(self, page: StatusPage) -> None:
        self.texts[f"_tocsin.{page.domain}."] = [domain_record(page)]


@pytest.fixture
def server(settings: Any) -> Iterator[NameServer]:
    server = NameServer()
    settings.DNS_SERVERS = (server.address,)
    yield server
    server.socket.close()


def check(page: StatusPage, **later: float) -> Proof:
    return verify_domain(again(page), now=now() + timedelta(**later))


def claimed(team: Any, slug: str = "acme", domain: str = DOMAIN) -> StatusPage:
    return make_page(team, slug, domain=domain)


def test_the_record_proves_the_domain(team, server):
    page = claimed(team)
    server.texts[NAME] = ["v=spf1 -all", domain_record(page)]
    assert check(page) == Proof(True)
    page = again(page)
    assert page.domain_verified_at is not None
    assert page.domain_problem == ""
    assert page.rendered_version < page.version  # its address is another one now
    assert server.asked == [NAME]
    assert get("/", host=DOMAIN.encode()).status == 200


def test_a_text_in_several_strings_is_one(team, server):
    page = claimed(team)
    record = domain_record(page)
    server.texts[NAME] = [f"{record[:20]}|{record[20:]}"]
    assert check(page).proved


@pytest.mark.parametrize(
    ("texts", "rcode", "said"),
    [
        (None, dns.rcode.NOERROR, f"no TXT record at {NAME[:-1]}"),
        (["tocsin-verify=somebody-elses"], dns.rcode.NOERROR, "does not hold tocsin-verify="),
        (["", "tocsin-verify="], dns.rcode.NOERROR, "does not hold"),
        (None, dns.rcode.SERVFAIL, "could not be read"),
        (None, dns.rcode.REFUSED, "could not be read"),
    ],
)
def test_anything_else_does_not_and_says_why(team, server, texts, rcode, said):
    page = claimed(team)
    server.rcode = rcode
    if texts is not None:
        server.texts[NAME] = texts
    proof = check(page)
    assert not proof.proved
    assert said in proof.problem
    page = again(page)
    assert page.domain_verified_at is None
    assert page.domain_problem == proof.problem
    assert page.domain_checked_at is not None
    assert get("/", host=DOMAIN.encode()).status == 404


def test_a_name_without_texts_is_told_apart_from_no_answer(team, server):
    page = claimed(team, domain="empty.acme.example")
    assert "no TXT record" in check(page).problem


def test_a_server_that_does_not_answer_costs_five_seconds_at_most(team, server, monkeypatch):
    monkeypatch.setattr("statuspages.serving.domains.ANSWER_SECONDS", 0.3)
    server.mute = True
    assert "in time" in check(claimed(team)).problem


def test_several_may_claim_a_domain_and_the_one_who_proves_it_has_it(team, server):
    mine, other = claimed(team), claimed(TeamFactory(slug="rival"), "rival")
    assert mine.domain_token != other.domain_token
    server.prove(other)
    assert not check(mine).proved
    assert check(other).proved
    server.prove(mine)
    assert check(mine) == Proof(False, TAKEN)
    assert again(mine).domain_verified_at is None
    assert again(mine).domain_problem == TAKEN
    assert again(other).domain_verified_at is not None


def test_two_that_prove_it_at_once_do_not_both_have_it(team, server):
    pages = [claimed(team), claimed(TeamFactory(slug="rival"), "rival")]
    server.texts[NAME] = [domain_record(page) for page in pages]
    proofs = at_once(*[lambda page=page: check(page) for page in pages])
    assert sorted(proof.proved for proof in proofs) == [False, True]


def test_another_domain_given_meanwhile_is_not_proved_by_this_answer(team, server):
    page = claimed(team)
    server.prove(page)
    server.meanwhile = lambda: start(
        lambda: change(page, rendered=False, domain="other.acme.example")
    ).result(10)
    check(page)
    page = again(page)
    assert page.domain == "other.acme.example"
    assert page.domain_verified_at is None
    assert page.domain_checked_at is None


def test_our_own_address_cannot_be_proved(team, server, settings):
    page = claimed(team)
    server.prove(page)
    settings.BASE_URL = f"https://{DOMAIN}"
    assert not check(page).proved


def test_a_domain_is_looked_at_every_day_and_lost_after_a_week(team, server):
    page = claimed(team)
    server.prove(page)
    assert check(page).proved
    at = now()
    assert recheck_domains(at) == 0
    assert recheck_domains(at + timedelta(days=1, minutes=1)) == 1
    proved_at = again(page).domain_verified_at
    assert proved_at > at + timedelta(days=1)
    server.texts.clear()
    for day in range(2, 8):
        assert recheck_domains(at + timedelta(days=day, hours=1)) == 1
        assert again(page).domain_verified_at == proved_at
        assert "no TXT record" in again(page).domain_problem
    version = again(page).version
    assert recheck_domains(at + timedelta(days=8, hours=2)) == 1
    page = again(page)
    assert page.domain_verified_at is None
    assert page.version > version
    assert recheck_domains(at + timedelta(days=30)) == 0
    # It can be had again.
    server.prove(page)
    assert check(page, days=31).proved


def test_one_good_answer_ends_a_week_of_bad_ones(team, server):
    page = claimed(team)
    server.prove(page)
    check(page)
    at = now()
    server.texts.clear()
    recheck_domains(at + timedelta(days=6))
    server.prove(page)
    recheck_domains(at + timedelta(days=7, hours=1))
    assert again(page).domain_problem == ""
    server.texts.clear()
    recheck_domains(at + timedelta(days=9))
    assert again(page).domain_verified_at is not None


def ask(domain: str, **extra: Any) -> int:
    return Client().get("/internal/tls-ask", {"domain": domain}, **extra).status_code


def test_certificates_are_for_proved_domains_of_published_pages(team):
    page = claimed(team)
    assert ask(DOMAIN) == 404
    page = own_domain(page)
    assert ask(DOMAIN) == 200
    assert ask(DOMAIN.upper() + ".") == 200
    for other in ("", "evil.example", f"x.{DOMAIN}", "127.0.0.1", "a\x00b"):
        assert ask(other) == 404
    change(page, published=False)
    assert ask(DOMAIN) == 404


def test_only_the_proxy_may_ask(team, settings):
    own_domain(claimed(team))
    assert ask(DOMAIN, REMOTE_ADDR="203.0.113.9") == 404
    assert ask(DOMAIN, HTTP_X_FORWARDED_FOR="203.0.113.9") == 404
    settings.METRICS_TOKEN = "a token"
    assert ask(DOMAIN) == 200
    far = {"REMOTE_ADDR": "203.0.113.9"}
    assert (
        Client().get(f"/internal/tls-ask?domain={DOMAIN}&token=a+token", **far).status_code == 200
    )
    assert Client().get(f"/internal/tls-ask?domain={DOMAIN}&token=other", **far).status_code == 404


def test_the_proxy_asks_by_any_name(team):
    own_domain(claimed(team))
    path = f"/internal/tls-ask?domain={DOMAIN}"
    assert get(path, host=b"web.internal:8000").status == 200
    assert get("/internal/tls-ask/", host=b"web.internal:8000").status == 404


def test_the_api_looks_for_the_proof_now(api, rival, server, team):
    page = claimed(team)
    path = f"status-pages/{page.pk}/verify-domain"
    refused = api("POST", path, {}, expect=400).json()
    (error,) = refused["errors"]
    assert (error["field"], error["code"]) == ("domain", "not_proved")
    assert "no TXT record" in error["detail"]
    server.prove(page)
    shown = api.post(path)
    assert shown["id"] == str(page.pk)
    assert shown["domain_verified_at"] is not None
    assert shown["url"] == f"https://{DOMAIN}/"
    # Others see nothing of it, and what another has is not taken from it.
    rival("POST", path, {}, expect=404)
    api("POST", "status-pages/nonsense/verify-domain", {}, expect=404)
    other = rival.make("status-pages", name="Mine", slug="mine", domain=DOMAIN)
    server.texts[NAME].append(other["domain_token"])
    taken = rival("POST", f"status-pages/{other['id']}/verify-domain", {}, expect=409).json()
    assert taken["detail"] == TAKEN


def test_whoever_may_only_look_cannot_prove_a_domain(team, server):
    page = claimed(team)
    server.prove(page)
    reader = Api(make_key(team, scope=Scope.READ))
    reader("POST", f"status-pages/{page.pk}/verify-domain", {}, expect=403)
    assert server.asked == []
