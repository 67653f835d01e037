"""Status pages with their groups and components. What is posted on them is nobody's to plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.hashers import check_password

from accounts.models import Team
from manifests.changes import Change, masked
from manifests.kinds.base import ThingKind, defaults_of
from manifests.kinds.named import MonitorNames, full_names
from manifests.kinds.secrets import Secrets
from manifests.kinds.state import State
from manifests.reading.kinds import Checked
from statuspages.models import Component, ComponentGroup, StatusPage
from statuspages.models.pages import Visibility
from statuspages.services import components, page_values, pages

MOST_PASSWORDS = 50  # each is hashed, which takes its time by design
_SETTINGS = (
    "description",
    "support_url",
    "domain",
    "published",
    "visibility",
    "timezone",
    "locale",
    "robots",
    "colours",
    "weights",
    "auto_post",
    "auto_post_delay",
)
_LINE = ("description", "rule", "show_uptime", "show_latency")


class PageThing(ThingKind):
    """Pages, found by their slugs."""

    name = "StatusPage"

    def __init__(self, monitors: MonitorNames, secrets: Secrets) -> None:
        self._monitors = monitors
        self._secrets = secrets
        self._names: dict[Any, str] = {}
        self._passwords: dict[int, str] = {}

    def load(self, team: Team) -> dict[str, Any]:
        """Return the pages by slug."""
        rows = StatusPage.objects.filter(team=team).order_by("slug")
        found = list(rows.prefetch_related("components__group", "components__monitor_links"))
        self._names = full_names(
            link.monitor_id
            for row in found
            for component in row.components.all()
            for link in component.monitor_links.all()
        )
        return {row.slug: row for row in found}

    def show(self, row: Any) -> dict[str, Any]:
        """Return the page, without its password and pictures."""
        shown = {"name": row.name, **{name: getattr(row, name) for name in _SETTINGS}}
        lines = sorted(row.components.all(), key=lambda line: line.position)
        groups = {line.group for line in lines if line.group is not None}
        return {
            **shown,
            "components": [self._show_line(line) for line in lines if line.group is None],
            "groups": [
                {
                    "name": group.name,
                    "components": [
                        self._show_line(line) for line in lines if line.group_id == group.pk
                    ],
                }
                for group in sorted(groups, key=lambda group: group.position)
            ],
        }

    def want(self, document: Checked, row: Any, state: State) -> dict[str, Any]:
        """Return the page; components that are not mentioned at all stay."""
        fields = document.fields
        wanted = {"name": fields["name"], **defaults_of(StatusPage, *_SETTINGS)}
        for name in _SETTINGS:
            if name in fields:
                clean = page_values.CLEANERS.get(name)
                wanted[name] = clean(fields[name]) if clean else fields[name]
        wanted["domain"] = page_values.clean_domain(wanted["domain"]) if wanted["domain"] else None
        self._find_password(document, row, state)
        if len(self._passwords) > MOST_PASSWORDS:
            text = f"An apply takes at most {MOST_PASSWORDS} passwords: send the others in another."
            state.problems.add(f"{document.path}.password", "max_length", text)
            return {}
        if document.document.index in self._passwords:
            wanted["visibility"] = Visibility.PASSWORD.value
        if "components" in fields or "groups" in fields:
            wanted |= self._want_lines(document, row, state)
        elif row is not None:
            shown = self.show(row)
            wanted |= {name: shown[name] for name in ("components", "groups")}
        else:
            wanted |= {"components": [], "groups": []}
        return wanted

    def more_changes(self, document: Checked, row: Any, state: State) -> list[Change]:
        """Return whether the password differs."""
        password = self._passwords.get(document.document.index)
        if password is None or (
            row is not None and row.password_hash and check_password(password, row.password_hash)
        ):
            return []
        existed = row is not None and bool(row.password_hash)
        return [masked("spec.password", existed=existed)]

    def create(self, name: str, wanted: dict[str, Any], document: Checked, state: State) -> Any:
        """Make the page with what it shows."""
        settings = {field: wanted[field] for field in ("name", *_SETTINGS)}
        password = self._passwords.get(document.document.index)
        page = pages.create_page(team=state.team, slug=name, password=password, **settings)
        self._write_lines(page, wanted)
        return page

    def update(
        self,
        row: Any,
        wanted: dict[str, Any],
        changes: list[Change],
        document: Checked,
        state: State,
    ) -> Any:
        """Change the page, and what it shows."""
        changed = {change.field.split(".")[1] for change in changes}
        settings = {field: wanted[field] for field in ("name", *_SETTINGS) if field in changed}
        if "password" in changed:
            settings["password"] = self._passwords[document.document.index]
        if settings:
            row = pages.update_page(page=row, **settings)
        if changed & {"components", "groups"}:
            self._write_lines(row, wanted)
        return row

    def delete(self, row: Any) -> None:
        """Delete the page with all that is on it."""
        pages.delete_page(page=row)

    def _show_line(self, line: Component) -> dict[str, Any]:
        monitors = sorted(self._names[link.monitor_id] for link in line.monitor_links.all())
        shown = {name: getattr(line, name) for name in _LINE}
        by_hand = line.manual_status or None
        return {"name": line.name, "monitors": monitors, **shown, "status": by_hand}

    def _want_lines(self, document: Checked, row: Any, state: State) -> dict[str, Any]:
        fields, path = document.fields, document.path
        seen: dict[str, str] = {}
        by_hand = {line.name: line.manual_status or None for line in _lines_of(row)}
        alone = self._lines(fields.get("components", ()), f"{path}.components", seen, state)
        groups, titles = [], set()
        for index, group in enumerate(fields.get("groups", ())):
            where = f"{path}.groups[{index}]"
            if group["name"] in titles:
                text = "Another group has this name."
                state.problems.add(f"{where}.name", "duplicate", text)
            titles.add(group["name"])
            lines = self._lines(group["components"], f"{where}.components", seen, state)
            groups.append({"name": group["name"], "components": lines})
        for line in [*alone, *(line for group in groups for line in group["components"])]:
            line.setdefault("status", by_hand.get(line["name"]))
        return {"components": alone, "groups": groups}

    def _lines(
        self, given: Any, path: str, seen: dict[str, str], state: State
    ) -> list[dict[str, Any]]:
        found = []
        usual = defaults_of(Component, *_LINE)
        for index, line in enumerate(given):
            where = f"{path}[{index}]"
            if line["name"] in seen:
                text = f"{seen[line['name']]} has this name."
                state.problems.add(f"{where}.name", "duplicate", text)
            seen.setdefault(line["name"], where)
            monitors = self._monitors.find(line.get("monitors", ()), f"{where}.monitors")
            said = {name: line.get(name, value) for name, value in usual.items()}
            found.append({"name": line["name"], "monitors": monitors, **said})
            if "status" in line:
                found[-1]["status"] = line["status"]
        return found

    def _find_password(self, document: Checked, row: Any, state: State) -> None:
        fields, index = document.fields, document.document.index
        if password := fields.get("password"):
            self._passwords[index] = password
        ref = fields.get("password_secret")
        if ref is None:
            return
        path = f"{document.path}.password_secret"
        value = self._secrets.find(ref, ref.get("namespace", state.team.slug), path)
        if value is None:
            return
        if value.text is not None:
            self._passwords[index] = value.text
        elif row is None or not row.password_hash:
            text = "Only a hash of this Secret is stored: send it along with the page."
            state.problems.add(path, "required", text)

    def _write_lines(self, page: StatusPage, wanted: dict[str, Any]) -> None:
        lines = list(_each_line(wanted))
        present = {row.name: row for row in Component.objects.filter(page=page)}
        names = {line["name"] for _, _, line in lines}
        for name, row in present.items():
            if name not in names:
                components.delete_component(component=row)
        for group, place, line in lines:
            values = {**line, "monitors": self._monitors_of(line), "group": group}
            if line["name"] in present:
                row = present[line["name"]]
                components.update_component(component=row, position=place, **values)
            else:
                components.create_component(page=page, position=place, **values)
        headings = {row.name: row for row in ComponentGroup.objects.filter(page=page)}
        titles = [group["name"] for group in wanted["groups"]]
        if titles != sorted(headings, key=lambda name: headings[name].position):
            for place, title in enumerate(titles):
                components.move_group(group=headings[title], position=place)

    def _monitors_of(self, line: dict[str, Any]) -> list[Any]:
        return self._monitors.rows(line["monitors"])


def _lines_of(page: StatusPage | None) -> Iterable[Component]:
    return page.components.all() if page is not None else ()


def _each_line(wanted: dict[str, Any]) -> Iterator[tuple[str | None, int, dict[str, Any]]]:
    for place, line in enumerate(wanted["components"]):
        yield None, place, line
    for group in wanted["groups"]:
        for place, line in enumerate(group["components"]):
            yield group["name"], place, line
