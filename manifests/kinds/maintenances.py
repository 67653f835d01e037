"""Maintenance windows that people plan; those that a status page's posts made are the posts'."""

from __future__ import annotations

from typing import Any

from accounts.models import Team
from incidents.api.fields import show_instant
from incidents.maintenance import maintenances
from incidents.maintenance.recurrence import clean_rrule
from incidents.models import Maintenance
from manifests.changes import Change
from manifests.kinds.base import ThingKind
from manifests.kinds.named import MonitorNames, full_names
from manifests.kinds.state import State
from manifests.reading.kinds import Checked
from statuspages.models import Post, StatusPage


class MaintenanceThing(ThingKind):
    """Planned time in which no incident opens."""

    name = "Maintenance"

    def __init__(self, monitors: MonitorNames) -> None:
        self._monitors = monitors
        self._names: dict[Any, str] = {}
        self._pages: dict[Any, str] = {}

    def load(self, team: Team) -> dict[str, Any]:
        """Return the windows by name."""
        posted = Post.objects.filter(team=team, maintenance_id__isnull=False)
        rows = Maintenance.objects.filter(team=team).order_by("name")
        made_by_posts = posted.values_list("maintenance_id", flat=True)
        found = rows.exclude(pk__in=made_by_posts, status_page_id=None)
        windows = list(found.prefetch_related("monitor_links"))
        self._names = full_names(
            link.monitor_id for row in windows for link in row.monitor_links.all()
        )
        pages = StatusPage.objects.filter(team=team)
        self._pages = dict(pages.values_list("pk", "slug"))
        return {row.name: row for row in windows}

    def show(self, row: Any) -> dict[str, Any]:
        """Return the window with the names of its monitors."""
        return {
            "monitors": sorted(self._names[link.monitor_id] for link in row.monitor_links.all()),
            "labels": row.labels,
            "starts_at": show_instant(row.starts_at),
            "ends_at": show_instant(row.ends_at),
            "rrule": row.rrule,
            "timezone": row.timezone,
            "status_page": self._pages.get(row.status_page_id),
        }

    def want(self, document: Checked, row: Any, state: State) -> dict[str, Any]:
        """Return the window."""
        fields = document.fields
        monitors = self._monitors.find(fields.get("monitors", ()), f"{document.path}.monitors")
        page = fields.get("status_page")
        if page is not None:
            state.find("StatusPage", page, f"{document.path}.status_page")
        wanted = {
            "monitors": monitors,
            "labels": fields.get("labels", {}),
            "starts_at": show_instant(fields["starts_at"]),
            "ends_at": show_instant(fields["ends_at"]),
            "rrule": clean_rrule(fields.get("rrule") or ""),
            "timezone": fields.get("timezone", "UTC"),
            "status_page": page,
        }
        nothing = not fields.get("monitors") and not wanted["labels"]
        # One whose monitors were all deleted is still there; that is no change then.
        if nothing and (row is None or wanted != self.show(row)):
            text = "Name at least one monitor or one label."
            state.problems.add(f"{document.path}.monitors", "required", text)
        return wanted

    def create(self, name: str, wanted: dict[str, Any], document: Checked, state: State) -> Any:
        """Plan the window."""
        return maintenances.create_maintenance(
            team=state.team, name=name, **self._values(wanted, document, state)
        )

    def update(
        self,
        row: Any,
        wanted: dict[str, Any],
        changes: list[Change],
        document: Checked,
        state: State,
    ) -> Any:
        """Change the window."""
        return maintenances.update_maintenance(
            maintenance=row, **self._values(wanted, document, state)
        )

    def delete(self, row: Any) -> None:
        """Delete the window."""
        maintenances.delete_maintenance(maintenance=row)

    def _values(self, wanted: dict[str, Any], document: Checked, state: State) -> dict[str, Any]:
        times = {name: document.fields[name] for name in ("starts_at", "ends_at")}
        slug = wanted["status_page"]
        page = state.rows["StatusPage"][slug] if slug else None
        return {
            **wanted,
            **times,
            "monitors": self._monitors.rows(wanted["monitors"]),
            "status_page": page.pk if page else None,
        }
