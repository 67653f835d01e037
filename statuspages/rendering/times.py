"""Moments, days, durations and percentages as a page's language writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.html import format_html
from django.utils.safestring import SafeString

from statuspages.rendering.words import Words


def zone_of(name: str) -> tzinfo:
    """Return the time zone; UTC for a name that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def iso_millis(at: datetime, zone: tzinfo) -> str:
    """Return e.g. 2026-11-12T14:02:11.000+01:00; with Z where the zone is UTC."""
    text = at.astimezone(zone).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def iso_utc(at: datetime) -> str:
    """Return e.g. 2026-11-12T13:02:11Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Writes in one language and one time zone."""

    words: Words
    zone: tzinfo

    def day(self, day: date) -> str:
        """Return e.g. 12 Nov."""
        return self._date("date_short", "months_short", day)

    def full_day(self, day: date) -> str:
        """Return e.g. 12 November 2026."""
        return self._date("date_long", "months", day)

    def month(self, day: date) -> str:
        """Return e.g. November 2026."""
        return self._date("date_month", "months", day)

    def _date(self, pattern: str, names: str, day: date) -> str:
        month = self.words[names].split("|")[day.month - 1]
        return self.words[pattern].format(day=day.day, month=month, year=day.year)

    def local_day(self, at: datetime) -> date:
        """Return the day that it was in the zone."""
        return at.astimezone(self.zone).date()

    def moment(self, at: datetime) -> str:
        """Return e.g. 12 November 2026, 14:02 CET."""
        local = at.astimezone(self.zone)
        return f"{self.full_day(local.date())}, {local:%H:%M} {self._zone_name(local)}"

    def span(self, start: datetime, end: datetime) -> str:
        """Return both moments, with the day once where it is the same."""
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        if first.date() == last.date() and first.utcoffset() == last.utcoffset():
            hours = f"{first:%H:%M}–{last:%H:%M} {self._zone_name(last)}"
            return f"{self.full_day(first.date())}, {hours}"
        return f"{self.moment(start)} – {self.moment(end)}"

    def stamp(self, at: datetime, text: str = "") -> SafeString:
        """Return a time element in the zone, with UTC on hover."""
        return format_html(
            '<time datetime="{}" title="{}">{}</time>',
            iso_utc(at),
            at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            text or self.moment(at),
        )

    @staticmethod
    def _zone_name(local: datetime) -> str:
        name = local.tzname() or "UTC"
        return f"UTC{name}" if name[:1] in "+-" else name

    def duration(self, seconds: int) -> str:
        """Return the two greatest units, e.g. 3 min 20 s."""
        units = self.words["units"].split("|")
        parts = []
        for unit, size in zip(units, (86_400, 3_600, 60, 1), strict=True):
            count, seconds = divmod(seconds, size)
            if count:
                parts.append(f"{count}\u00a0{unit}")
        return " ".join(parts[:2]) or f"0\u00a0{units[-1]}"

    def number(self, value: Decimal | float) -> str:
        """Return the number with the language's decimal sign and no idle zeros."""
        text = f"{value:f}" if isinstance(value, Decimal) else f"{value:g}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return text.replace(".", self.words["decimal"])

    def percent(self, value: Decimal) -> str:
        """Return e.g. 99.769%: three decimals, and 100% alone without any."""
        text = "100" if value == 100 else f"{value:.3f}".replace(".", self.words["decimal"])
        return self.words["percent"].format(number=text)
