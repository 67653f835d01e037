"""What the demo team watches, and what went wrong with it in the last weeks: plain values.

Nobody pushes to a demo. So that it does not fall silent all at once, every window is wide now;
`was_silent_after_seconds` is what it was while the story was still going on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DAYS = 20
MINUTE, HOUR, DAY = 60, 3600, 86_400
WIDE_SECONDS = 60 * DAY
CRON_GRACE_SECONDS = 30 * DAY
WIDE_NOTE = "Nobody pushes to a demo, so its window has been made wide: 60 days."


@dataclass(frozen=True)
class Outage:
    """A bad time of a monitor; `minutes` 0 lasts until now."""

    days_ago: float
    minutes: float
    cause: str
    text: str = ""
    acknowledged_after_minutes: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Told:
    """A monitor and its past."""

    name: str
    description: str
    namespace: str = "demo"
    interval: int = 5 * MINUTE
    was_silent_after_seconds: int = 10 * MINUTE
    cron: str = ""
    cron_timezone: str = ""
    severity: str = "critical"
    labels: dict[str, str] = field(default_factory=dict)
    latency_ms: float | None = None
    latency_limit_ms: float | None = None
    messages: tuple[str, ...] = ()
    failures_to_open: int = 1
    outages: tuple[Outage, ...] = ()
    is_paused: bool = False
    is_pending: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """What `create_monitor` is told."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "description": f"{self.description} {WIDE_NOTE}",
            "interval": self.interval,
            "silent_after": WIDE_SECONDS,
            "grace": CRON_GRACE_SECONDS if self.cron else 0,
            "cron": self.cron,
            "cron_timezone": self.cron_timezone,
            "severity": self.severity,
            "labels": self.labels,
            "latency_limit_ms": self.latency_limit_ms,
            "failures_to_open": self.failures_to_open,
            "runbook_url": f"https://wiki.example/runbooks/{self.name}",
        }


def _fleet(site: str, *outages: Outage) -> Told:
    return Told(
        name=f"worker-fleet-{site}",
        description="Workers in a private subnet without ingress; the fleet says that it is well.",
        labels={"team": "platform", "site": site, "pattern": "air-gapped"},
        latency_ms=42,
        messages=("48 of 48 workers up", "47 of 48 workers up"),
        outages=outages,
    )


MONITORS = (
    _fleet(
        "frankfurt",
        Outage(16.31, 34, "silence", acknowledged_after_minutes=6, note="The NAT gateway is back."),
        Outage(4.62, 12, "silence", acknowledged_after_minutes=3),
    ),
    _fleet("oregon", Outage(9.15, 47, "silence", acknowledged_after_minutes=11)),
    Told(
        name="edge-gateway",
        description="Heartbeat of the gateway on the factory floor, every minute.",
        interval=MINUTE,
        was_silent_after_seconds=90,
        labels={"team": "platform", "site": "leipzig", "pattern": "air-gapped"},
        latency_ms=18,
        outages=(
            Outage(12.4, 4, "silence"),
            Outage(12.39, 6, "silence"),
            Outage(2.07, 5, "silence"),
        ),
    ),
    Told(
        name="queue-depth",
        description="Reports failure while more than 10,000 jobs wait: only it can see that.",
        interval=2 * MINUTE,
        was_silent_after_seconds=5 * MINUTE,
        labels={"team": "payments", "pattern": "internal"},
        messages=("depth 212", "depth 1,034", "depth 87", "depth 3,480"),
        failures_to_open=2,
        outages=(
            Outage(
                13.55, 66, "failure", "depth 18,402 of 10,000", 9, "Two more consumers started."
            ),
            Outage(6.48, 22, "failure", "depth 11,973 of 10,000", 4),
            Outage(0.09, 0, "failure", "depth 14,212 of 10,000"),
        ),
    ),
    Told(
        name="checkout-loop",
        description="Log in, search, pay, refund: a synthetic transaction from the CI fleet.",
        namespace="demo-ci",
        interval=10 * MINUTE,
        was_silent_after_seconds=25 * MINUTE,
        labels={"team": "payments", "pattern": "synthetic", "env": "production"},
        latency_ms=2_150,
        latency_limit_ms=6_000,
        messages=("login, search, pay, refund: ok",),
        failures_to_open=2,
        outages=(
            Outage(11.2, 80, "latency", "login, search, pay, refund: ok", 15),
            Outage(
                3.71, 40, "failure", "step 3 of 4: pay answered 502", 5, "Rolled back release 412."
            ),
        ),
    ),
    Told(
        name="signup-loop",
        description="Sign up, verify, delete: a synthetic transaction from the CI fleet.",
        namespace="demo-ci",
        interval=15 * MINUTE,
        was_silent_after_seconds=40 * MINUTE,
        severity="warning",
        labels={"team": "growth", "pattern": "synthetic", "env": "production"},
        latency_ms=1_280,
        messages=("sign up, verify, delete: ok",),
        outages=(Outage(7.9, 45, "failure", "step 2 of 3: no verification mail in 60 s"),),
    ),
    Told(
        name="payment-processor",
        description="Heartbeat of the processor at our partner's, which no probe can reach.",
        interval=MINUTE,
        was_silent_after_seconds=150,
        labels={"team": "payments", "pattern": "external"},
        latency_ms=95,
        outages=(Outage(10.66, 9, "silence", acknowledged_after_minutes=2),),
    ),
    Told(
        name="nightly-backup",
        description="The dump of the orders database, at two every night.",
        namespace="demo-batch",
        interval=DAY,
        cron="0 2 * * *",
        cron_timezone="Europe/Berlin",
        severity="warning",
        labels={"team": "platform", "pattern": "cron"},
        latency_ms=1_260_000,
        messages=("212 GB written, checksum ok", "213 GB written, checksum ok"),
        outages=(Outage(5.9, 1500, "failure", "pg_dump: no space left on device", 380),),
    ),
    Told(
        name="invoice-run",
        description="Writes and mails the day's invoices on weekdays.",
        namespace="demo-batch",
        interval=DAY,
        cron="30 6 * * MON-FRI",
        cron_timezone="Europe/Berlin",
        labels={"team": "payments", "pattern": "cron"},
        latency_ms=340_000,
        messages=("1,204 invoices sent", "986 invoices sent", "1,131 invoices sent"),
    ),
    Told(
        name="weekly-report",
        description="Sent to the board on Monday morning.",
        namespace="demo-batch",
        interval=7 * DAY,
        cron="0 7 * * MON",
        cron_timezone="Europe/Berlin",
        severity="info",
        labels={"team": "growth", "pattern": "cron"},
        latency_ms=88_000,
        messages=("report sent to 9 people",),
    ),
    Told(
        name="certificate-renewal",
        description="Paused while the certificates move to another issuer.",
        namespace="demo-batch",
        interval=12 * HOUR,
        was_silent_after_seconds=25 * HOUR,
        severity="warning",
        labels={"team": "platform", "pattern": "cron"},
        latency_ms=4_100,
        messages=("nothing to renew",),
        is_paused=True,
    ),
    Told(
        name="warehouse-sync",
        description="Not connected yet: its page shows how to push.",
        labels={"team": "growth"},
        is_pending=True,
    ),
)

# In order: name, matchers, and the names of the channels.
RULES: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    (
        "Payments, at once",
        {"labels": {"team": "payments"}, "severities": ["critical"]},
        ("Incident bot", "On-call mailbox"),
    ),
    ("Batch jobs, by mail", {"namespaces": ["demo-batch"]}, ("On-call mailbox",)),
)
CHANNELS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("On-call mailbox", "email", {"to": ["on-call@tocsin.example"]}),
    ("Incident bot", "webhook", {"url": "https://bot.tocsin.example/incidents"}),
)
