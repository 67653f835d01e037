"""Pages in every state, as plain values: what representations are tried on."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from statuspages.view import (
    ComponentView,
    DayView,
    GroupView,
    LatencyPoint,
    PageView,
    PostView,
    UpdateView,
    worst_status,
)

NOW = datetime(2026, 11, 22, 14, 2, 11, 345_000, tzinfo=UTC)
BEGAN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
TODAY = date(2026, 11, 22)

HOSTILE = (
    "<script>alert(1)</script> ]]> \u202egnp.exe\u200f \"'& \x00\x0b\ud7ff\r\nX-Evil: 1 {{ 7*7 }}"
)
HOSTILE_MARKDOWN = (
    HOSTILE
    + "\n\n[click](javascript:alert(1)) [data](data:text/html,<b>x) <img src=x onerror=alert(1)>\n"
    + '\n![pic](https://evil.example/p.png "t") ![p](javascript:alert(1)) <javascript:alert(1)>\n'
    + "\n[ok](https://example.org/?a=1&b=2) **bold** `code`\n\n# Big\n\n- one\n- two\n"
)


def make_code(name: str) -> str:
    """Return a code of 12 letters and digits that starts with the name."""
    return (name.lower() + "0" * 12)[:12]


def make_day(day: date, **seconds: int) -> DayView:
    """Return a day; `major=200` is 200 s of major outage."""
    found = {f"{kind}_seconds": value for kind, value in seconds.items()}
    judged = 86_400 - seconds.get("maintenance", 0) - seconds.get("no_data", 0)
    uptime = None
    if judged > 0:
        lost = seconds.get("major", 0) + Decimal("0.3") * seconds.get("partial", 0)
        uptime = (100 * (1 - lost / judged)).quantize(Decimal("0.001"), ROUND_FLOOR)
    return DayView(date=day, length_seconds=86_400, uptime=uptime, **found)


def make_days(seed: int = 1, count: int = 90, trouble: float = 0.06) -> tuple[DayView, ...]:
    """Return days that end today; a share of them with trouble, the first few without data."""
    chance = random.Random(seed)
    days = []
    for back in range(count - 1, -1, -1):
        kinds: dict[str, int] = {}
        if count - back <= seed % 4:
            kinds = {"no_data": 86_400}
        elif chance.random() < trouble:
            kind = chance.choice(["major", "partial", "degraded", "maintenance", "no_data"])
            kinds = {kind: chance.randrange(20, 20_000)}
        days.append(make_day(TODAY - timedelta(days=back), **kinds))
    return tuple(days)


def make_latency(hours: int = 24, seed: int = 1) -> tuple[LatencyPoint, ...]:
    chance = random.Random(seed)
    points = []
    for back in range(hours, 0, -1):
        middle = None if back % 11 == 5 else round(chance.uniform(80, 140), 1)
        high = None if middle is None else round(middle * chance.uniform(1.3, 3.5), 1)
        points.append(LatencyPoint(NOW - timedelta(hours=back), middle, high))
    return tuple(points)


def make_component(name: str, status: str = "operational", **values: Any) -> ComponentView:
    number = values.pop("number", 1)
    return ComponentView(
        **{
            "id": f"0198e0aa-0000-7000-8000-{number:012d}",
            "code": make_code(f"c{number}x"),
            "name": name,
            "description": "",
            "group_code": None,
            "position": number,
            "status": status,
            "since": NOW - timedelta(minutes=9),
            "created_at": BEGAN,
            "updated_at": NOW - timedelta(minutes=9),
            "show_uptime": True,
            "days": make_days(number),
            "uptime": Decimal("99.769"),
            **values,
        }
    )


def make_group(name: str, components: tuple[ComponentView, ...], number: int = 1) -> GroupView:
    return GroupView(
        code=make_code(f"g{number}x"),
        name=name,
        position=number,
        status=worst_status(tuple(c.status for c in components)),
        created_at=BEGAN,
        updated_at=NOW,
        component_codes=tuple(c.code for c in components),
    )


def make_update(code: str, status: str, body: str, minutes_ago: float, **values: Any) -> UpdateView:
    at = NOW - timedelta(minutes=minutes_ago)
    return UpdateView(
        **{
            "code": make_code(code),
            "status": status,
            "body": body,
            "at": at,
            "created_at": at,
            "updated_at": at,
            **values,
        }
    )


def make_incident(code: str = "inc1", **values: Any) -> PostView:
    """Return an open incident of two updates that began half an hour ago."""
    began = NOW - timedelta(minutes=32)
    affected = (
        {
            "code": make_code("c1x"),
            "name": "API",
            "old_status": "operational",
            "new_status": "partial_outage",
        },
    )
    return PostView(
        **{
            "code": make_code(code),
            "title": "Errors when uploading files",
            "impact": "major",
            "status": "identified",
            "is_maintenance": False,
            "started_at": began,
            "created_at": began,
            "updated_at": NOW - timedelta(minutes=12),
            "monitoring_at": None,
            "resolved_at": None,
            "scheduled_for": None,
            "scheduled_until": None,
            "component_codes": (make_code("c1x"), make_code("c2x")),
            "updates": (
                make_update(
                    f"{code}u2",
                    "identified",
                    "A **full disk** on one storage node. We are moving its data; follow"
                    " [the details](https://example.org/x).",
                    12,
                ),
                make_update(
                    f"{code}u1",
                    "investigating",
                    "Some uploads fail with error 503. We are looking into it.",
                    32,
                    affected=affected,
                ),
            ),
            **values,
        }
    )


def make_resolved(code: str = "inc0", days_ago: float = 3, **values: Any) -> PostView:
    began = NOW - timedelta(days=days_ago)
    ended = began + timedelta(minutes=41)
    return make_incident(
        code,
        **{
            "title": "Slow dashboards",
            "impact": "minor",
            "status": "resolved",
            "started_at": began,
            "created_at": began,
            "updated_at": ended,
            "monitoring_at": ended - timedelta(minutes=10),
            "resolved_at": ended,
            "updates": (
                make_update(f"{code}u2", "resolved", "All is well again.", days_ago * 1440 - 41),
                make_update(f"{code}u1", "investigating", "Pages load slowly.", days_ago * 1440),
            ),
            **values,
        },
    )


def make_maintenance(code: str = "mnt1", starts_in_hours: float = 20, **values: Any) -> PostView:
    start = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=starts_in_hours)
    status = values.get("status", "scheduled")
    return make_incident(
        code,
        **{
            "title": "Database upgrade",
            "impact": "maintenance",
            "status": status,
            "is_maintenance": True,
            "started_at": start,
            "scheduled_for": start,
            "scheduled_until": start + timedelta(hours=2),
            "updates": (
                make_update(f"{code}u1", status, "The API may answer slowly for a minute.", 60),
            ),
            **values,
        },
    )


def make_view(**values: Any) -> PageView:
    """Return a page of two groups and a lone component, all up."""
    given = values.pop("statuses", ())
    names = ("API", "Uploads", "Dashboard", "Search", "Payments")
    statuses = (*given, *("operational",) * 5)[:5]
    components = tuple(
        make_component(name, status, number=number)
        for number, (name, status) in enumerate(zip(names, statuses, strict=True), 1)
    )
    components = (
        replace(components[0], description="REST and WebSocket", latency=make_latency()),
        *components[1:],
    )
    groups = (
        make_group("Core", components[:2], 1),
        make_group("Web", components[2:4], 2),
    )
    components = tuple(
        replace(c, group_code=next((g.code for g in groups if c.code in g.component_codes), None))
        for c in components
    )
    return PageView(
        **{
            "id": "0198e0aa-0000-7000-8000-00000000aaaa",
            "code": make_code("page"),
            "name": "Acme",
            "description": "How Acme's services are, right now and over the last 90 days.",
            "url": "https://status.acme.example/",
            "support_url": "https://acme.example/support",
            "timezone": "Europe/Berlin",
            "locale": "en",
            "robots": True,
            "colours": {},
            "weights": {"major": 1.0, "partial": 0.3},
            "assets": {},
            "as_of": NOW,
            "version": 7,
            "updated_at": NOW - timedelta(minutes=9),
            "groups": groups,
            "components": components,
            **values,
        }
    )


def make_big_view(count: int = 50, **values: Any) -> PageView:
    """Return a page of many components in groups of ten, each with 90 days of history."""
    kinds = ("operational",) * 9 + ("degraded_performance",)
    components = tuple(
        make_component(
            f"Service {number} {['eu', 'us', 'ap', 'sa'][number % 4]}-{number % 3 + 1}",
            kinds[number % 10],
            number=number,
            description=f"What customers do with part {number}",
            uptime=Decimal(99_000 + number * 7 % 1000) / 1000,
        )
        for number in range(1, count + 1)
    )
    groups = tuple(
        make_group(f"Region {place + 1}", components[place * 10 : place * 10 + 10], place + 1)
        for place in range((count + 9) // 10)
    )
    return make_view(components=components, groups=groups, **values)


def make_views() -> dict[str, PageView]:
    """Return a page in every state that visitors can meet, by name."""
    past = (make_resolved(), make_resolved("incm", 9, status="postmortem", title="Lost sessions"))
    long = (
        "A component whose name is far too long for one line and has aVeryLongWordWithoutAnySpace"
    )
    return {
        "all_up": make_view(posts=past),
        "partial": make_view(statuses=("partial_outage", "degraded_performance")),
        "degraded": make_view(statuses=("degraded_performance",)),
        "major": make_view(statuses=("major_outage", "partial_outage")),
        "critical": make_view(statuses=("major_outage",) * 4, posts=(make_incident(), *past)),
        "maintenance": make_view(
            statuses=("under_maintenance",),
            maintenances=(make_maintenance("mnt2", -1, status="in_progress"),),
        ),
        "planned": make_view(maintenances=(make_maintenance(), make_maintenance("mnt3", 90))),
        "open_incident": make_view(
            statuses=("partial_outage",),
            posts=(make_incident(), *past),
            maintenances=(
                make_maintenance(),
                make_maintenance("mnt0", -200, status="completed", resolved_at=NOW),
            ),
        ),
        "resolved": make_view(posts=past, timezone="UTC"),
        "empty": make_view(components=(), groups=(), description="", support_url=""),
        "long": make_view(
            name="An enterprise with a very long name that goes on " * 2,
            components=(
                make_component(long * 2, "major_outage", description=long * 4),
                make_component("N" * 120, number=2),
            ),
            groups=(),
            posts=(make_incident(title=long * 2),),
        ),
        "japanese": make_view(
            locale="ja",
            timezone="Asia/Tokyo",
            name="アクメ株式会社",
            statuses=("partial_outage",),
            posts=(make_incident(title="ファイルをアップロードできない問題"), *past),
            maintenances=(make_maintenance(title="データベースの更新"),),
        ),
        "hostile": make_view(
            name=HOSTILE,
            description=HOSTILE,
            support_url="javascript:alert(1)",
            components=(make_component(HOSTILE, "partial_outage", description=HOSTILE),),
            groups=(make_group(HOSTILE, (make_component(HOSTILE),)),),
            posts=(
                make_incident(
                    title=HOSTILE,
                    updates=(make_update("hu", "investigating", HOSTILE_MARKDOWN, 3),),
                ),
            ),
            maintenances=(
                make_maintenance(
                    title=HOSTILE, updates=(make_update("hm", "scheduled", HOSTILE_MARKDOWN, 3),)
                ),
            ),
        ),
        "coloured": make_view(
            colours={"background": "#fff7e6", "accent": "#ffcc00", "dark_background": "#202040"},
            statuses=("partial_outage",),
        ),
        "big": make_big_view(posts=(make_incident(), *past)),
    }
