"""How far a team's set-up has come: read from its rows each time, never from a mark."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Team

# Messages whose arrival shows that somebody is reached.
PAGES = ("channel.test", "contact.test", "incident.opened", "incident.digest")

# name: read_setup
# In one round: is there a monitor, has one pushed (else which waits), does anybody but the default
# hear of incidents, has a message been tried, has one arrived.
READ_SETUP = """
WITH found AS (
  SELECT
    EXISTS (SELECT FROM monitors_monitor WHERE team_id = %(team)s) AS watched,
    EXISTS (SELECT FROM monitors_monitor m JOIN monitors_heartbeat h ON h.monitor_id = m.id
      WHERE m.team_id = %(team)s AND h.last_push_at IS NOT NULL) AS pushed,
    EXISTS (SELECT FROM incidents_alertrule r WHERE r.team_id = %(team)s
      AND (NOT r.is_catch_all OR r.policy_id IS NOT NULL OR EXISTS (
        SELECT FROM incidents_alertrulechannel c WHERE c.rule_id = r.id))) AS routed,
    EXISTS (SELECT FROM incidents_delivery WHERE team_id = %(team)s
      AND event = ANY(%(pages)s)) AS tried,
    EXISTS (SELECT FROM incidents_delivery WHERE team_id = %(team)s AND state = 'delivered'
      AND event = ANY(%(pages)s)) AS arrived
)
SELECT watched, pushed, routed, tried, arrived,
  CASE WHEN watched AND NOT pushed THEN (
    SELECT id FROM monitors_monitor WHERE team_id = %(team)s ORDER BY id DESC LIMIT 1) END
FROM found
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called, what is left to do in it, and where."""

    key: str
    name: str
    todo: str
    url: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class Setup:
    """The steps of a team's set-up, in order."""

    steps: tuple[Step, ...]

    @property
    def left(self) -> list[Step]:
        """Return what is still to do."""
        return [step for step in self.steps if not step.is_done]

    @property
    def is_over(self) -> bool:
        """Return whether nothing is left."""
        return not self.left

    @property
    def next(self) -> Step | None:
        """Return the first step that is still to do."""
        return next(iter(self.left), None)


def read_setup(team: Team) -> Setup:
    """Return how far the team has come: one query."""
    with connection.cursor() as cursor:
        cursor.execute(READ_SETUP, {"team": team.pk, "pages": list(PAGES)})
        watched, pushed, routed, tried, arrived, waits = cursor.fetchone()
    return Setup(
        (
            Step("team", _("Name the team"), "", reverse("console:home", args=[team.slug]), True),
            Step(
                "monitor",
                _("First monitor"),
                _("Make a monitor for the first thing that should push."),
                reverse("console:monitor-new", args=[team.slug]),
                watched,
            ),
            Step(
                "push",
                _("First push"),
                _("Send it a first push."),
                _waiting_url(team, waits),
                pushed,
            ),
            Step(
                "paging",
                _("Who is paged"),
                _("Say who should be paged."),
                reverse("console:onboarding-paging", args=[team.slug]),
                routed or tried,
            ),
            Step(
                "test",
                _("Test page"),
                _("Send a test page and see it arrive."),
                reverse("console:onboarding-test", args=[team.slug]),
                arrived,
            ),
        )
    )


def _waiting_url(team: Team, monitor: UUID | None) -> str:
    if monitor is None:
        return reverse("console:monitor-new", args=[team.slug])
    return reverse("console:monitor-setup", args=[team.slug, monitor])
