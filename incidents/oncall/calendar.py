"""The iCalendar feed of a rotation: RFC 5545, for the calendars of the people in it."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from icalendar import Calendar, Event, vText

from accounts.models import Membership
from incidents.channels.wording import clean_line
from incidents.models import Rotation
from incidents.oncall.loading import load_schedule
from incidents.oncall.schedule import Shift, shifts

BACK = timedelta(days=30)
AHEAD = timedelta(days=90)
_REFRESH = timedelta(hours=1)


def calendar_url(rotation: Rotation) -> str | None:
    """Return the feed's address, a secret; None once it was revoked."""
    if not rotation.calendar_key:
        return None
    path = f"/api/v1/rotations/{rotation.pk}/calendar.ics?key={rotation.calendar_key}"
    return f"{settings.BASE_URL}{path}"


def key_opens(rotation: Rotation | None, key: str) -> bool:
    """Return whether `key` opens the feed; takes as long for no rotation as for a wrong key."""
    expected = rotation.calendar_key if rotation else ""
    same = hmac.compare_digest(key.encode(errors="replace"), expected.encode())
    return same and bool(expected)


def calendar_feed(rotation: Rotation, *, at: datetime) -> bytes:
    """Return the shifts from 30 days before `at` to 90 days after it as an iCalendar document.

    A shift is known by when it begins, so that it stays the same event when somebody else gets it.
    """
    since, until = at - BACK, at + AHEAD
    schedule = load_schedule(rotation, since=since, until=until)
    found = shifts(schedule, since, until)
    people = Membership.objects.select_related("user").filter(
        pk__in={shift.member for shift in found}
    )
    names: dict[object, str] = {person.pk: person.get_full_name() for person in people}
    calendar = Calendar()
    calendar.add("prodid", "-//Tocsin//On-call//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", vText(_plain(rotation.name)))
    calendar.add("refresh-interval", _REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for shift in found:
        if shift.member in names:
            calendar.add_component(_event(rotation, shift, names[shift.member], at))
    body: bytes = calendar.to_ical()
    return body


def _event(rotation: Rotation, shift: Shift, name: str, at: datetime) -> Event:
    made = at.replace(microsecond=0)
    event = Event()
    event.add("uid", _uid(rotation.pk, shift.start))
    event.add("summary", _plain(f"{name}: {rotation.name}"))
    event.add("dtstart", shift.start)
    event.add("dtend", shift.end)
    event.add("dtstamp", made)
    return event


def _uid(rotation_id: UUID, start: datetime) -> str:
    # Microseconds too: an override may begin at any of them, and two shifts in one second.
    return f"{start:%Y%m%dT%H%M%S%f}Z-{rotation_id}@tocsin"


def _plain(text: str) -> str:
    """Return the text in one line that reads as what it is; a calendar may hold no control."""
    return clean_line(text, 400)
