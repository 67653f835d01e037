"""Whose a custom domain is: proved by a TXT record in its DNS, and looked at again every day.

The record is `_tocsin.<domain>` with the text `tocsin-verify=<token>`. `domain_verified_at` is when
it was last seen, `domain_checked_at` when it was last looked for.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django_scopes import scopes_disabled

from statuspages.models import StatusPage
from statuspages.services.pages import domain_record

logger = logging.getLogger(__name__)
RECORD_NAME = "_tocsin"
ANSWER_SECONDS = 5.0
RECHECK = timedelta(days=1)
MOST_ABSENCE = timedelta(days=7)
TAKEN = "Another status page has proved this domain. Remove it there first."


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a domain is proved; `problem` says what to do if not."""

    proved: bool
    problem: str = ""


def verify_domain(page: StatusPage, *, now: datetime) -> Proof:
    """Look for the proof of a page's domain, and write down what was found.

    Takes up to five seconds and must not run in a transaction. A domain that was proved before
    stays so for a week of failures. One that another page has proved is not taken from it.
    """
    if not page.domain or not page.domain_token:
        return Proof(False, "The page has no domain.")
    proof = _look(page.domain, domain_record(page))
    return _write_down(page.pk, page.domain, proof, now)


def recheck_domains(now: datetime, *, limit: int = 20) -> int:
    """Look again for proofs that were last looked for a day ago; return how many were."""
    with scopes_disabled():
        due = StatusPage.objects.filter(
            Q(domain_checked_at=None) | Q(domain_checked_at__lte=now - RECHECK),
            domain_verified_at__isnull=False,
        ).order_by(F("domain_checked_at").asc(nulls_first=True))[:limit]
        pages = list(due)
    for page in pages:
        verify_domain(page, now=now)
    return len(pages)


def is_verified(domain: str) -> bool:
    """Return whether a published page is served on this domain."""
    with scopes_disabled():
        return StatusPage.objects.filter(
            domain=domain, domain_verified_at__isnull=False, published=True
        ).exists()


def _look(domain: str, wanted: str) -> Proof:
    if domain == (urlsplit(settings.BASE_URL).hostname or ""):
        return Proof(False, "This is the address of Tocsin itself. Use another name.")
    name = f"{RECORD_NAME}.{domain}."
    try:
        answer = _resolver().resolve(
            name, dns.rdatatype.TXT, lifetime=ANSWER_SECONDS, raise_on_no_answer=False
        )
    except dns.resolver.NXDOMAIN:
        return Proof(False, f"There is no TXT record at {name[:-1]} yet.")
    except dns.exception.Timeout:
        return Proof(False, "The DNS servers of the domain did not answer in time. Try again.")
    except (dns.exception.DNSException, ValueError, OSError) as error:
        return Proof(False, f"The DNS could not be read: {type(error).__name__}."[:300])
    if answer.rrset is None:
        return Proof(False, f"There is no TXT record at {name[:-1]} yet.")
    texts = [b"".join(record.strings).decode(errors="replace").strip() for record in answer.rrset]
    if wanted in texts:
        return Proof(True)
    return Proof(False, f"The TXT record at {name[:-1]} does not hold {wanted}."[:300])


def _resolver() -> dns.resolver.Resolver:
    if not settings.DNS_SERVERS:
        resolver = dns.resolver.Resolver()
    else:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [_nameserver(text) for text in settings.DNS_SERVERS]
    resolver.cache = None  # who has just set the record wants to see it
    return resolver


def _nameserver(text: str) -> dns.nameserver.Nameserver:
    """Return a server from `address`, `address:port` or `[address]:port`."""
    parts = urlsplit(f"//{text}" if text.startswith("[") or text.count(":") < 2 else f"//[{text}]")
    return dns.nameserver.Do53Nameserver(parts.hostname or "", parts.port or 53)


def _write_down(page_id: UUID, domain: str, proof: Proof, now: datetime) -> Proof:
    with scopes_disabled():
        # The domain may have been changed while we asked.
        mine = StatusPage.objects.filter(pk=page_id, domain=domain)
        seen: dict[str, object] = {"domain_checked_at": now, "domain_problem": proof.problem}
        if proof.proved:
            try:
                with transaction.atomic():
                    fresh = mine.filter(domain_verified_at=None).update(
                        **seen, domain_verified_at=now, version=F("version") + 1
                    )
                    if not fresh:
                        mine.update(**seen, domain_verified_at=now)
            except IntegrityError:
                proof = Proof(False, TAKEN)
                mine.update(domain_checked_at=now, domain_problem=TAKEN)
            return proof
        mine.update(**seen)
        lost = mine.filter(domain_verified_at__lte=now - MOST_ABSENCE).update(
            domain_verified_at=None, version=F("version") + 1
        )
        if lost:
            logger.warning("A status page's domain is no longer proved: %s", domain)
        return proof
