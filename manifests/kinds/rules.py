"""Alert rules, and the order in which they stand.

A document's place counts among the rules that people and documents write: those that stand for
monitors' own routes come before all of them and are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch

from accounts.models import Team
from incidents import rules
from incidents.models import AlertRule, AlertRuleChannel, empty_match
from manifests.changes import Change
from manifests.kinds.base import InUse, ThingKind
from manifests.kinds.state import State
from manifests.models import MonitorRoute
from manifests.reading.kinds import Checked


class RuleThing(ThingKind):
    """Which incidents go where."""

    name = "AlertRule"

    def __init__(self) -> None:
        self._final: list[str] | None = None
        self._catch_all: Checked | None = None

    def load(self, team: Team) -> dict[str, Any]:
        """Return the rules by name, in order, but those of monitors' own routes."""
        links = AlertRuleChannel.objects.select_related("channel").order_by("id")
        rows = AlertRule.objects.filter(team=team).select_related("policy").order_by("position")
        rows = rows.prefetch_related(Prefetch("alertrulechannel_set", links))
        routes = MonitorRoute.objects.filter(team=team)
        hidden = set(routes.values_list("rule_id", flat=True))
        return {row.name: row for row in rows if row.pk not in hidden}

    def show(self, row: Any) -> dict[str, Any]:
        """Return the rule with the names of where it leads; its place is told apart."""
        shown = {
            "match": empty_match() | row.match,
            "policy": row.policy.name if row.policy else None,
            "channels": sorted(link.channel.name for link in row.alertrulechannel_set.all()),
            "continue": row.continue_matching,
        }
        if row.is_catch_all:
            shown = {"catch_all": True, "policy": shown["policy"], "channels": shown["channels"]}
        return shown

    def ordered(self, documents: list[Checked]) -> list[Checked]:
        """Return the catch-all first: its name may be the one that it gives up."""
        return sorted(documents, key=lambda document: not document.fields.get("catch_all"))

    def find(self, document: Checked, rows: Mapping[str, Any]) -> Any:
        """Return the rule of that name; there is one that catches all, whatever its name is."""
        found = rows.get(document.name)
        if found is None and document.fields.get("catch_all"):
            found = next((row for row in rows.values() if row.is_catch_all), None)
        return found

    def more_changes(self, document: Checked, row: Any, state: State) -> list[Change]:
        """Return how the rule that catches all is renamed."""
        if row is None or row.name == document.name:
            return []
        return [Change("metadata.name", row.name, document.name)]

    def want(self, document: Checked, row: Any, state: State) -> dict[str, Any]:
        """Return the rule."""
        fields, path = document.fields, document.path
        if fields.get("catch_all"):
            self._adopt_catch_all(document, row, state)
        elif row is not None and row.is_catch_all:
            text = "This rule catches what no other takes: say catch_all, or use another name."
            state.problems.add(f"{path}.catch_all", "required", text)
        names = fields.get("channels", [])
        for index, name in enumerate(names):
            state.find("Channel", name, f"{path}.channels[{index}]")
        policy = fields.get("policy")
        if policy is not None:
            state.find("EscalationPolicy", policy, f"{path}.policy")
        wanted = {"policy": policy, "channels": sorted(names)}
        if fields.get("catch_all"):
            return {"catch_all": True, **wanted}
        match = empty_match() | dict(fields.get("match", {}))
        match["hours"] = [dict(entry) for entry in match["hours"]]
        return {"match": match, **wanted, "continue": fields.get("continue_matching", False)}

    def create(self, name: str, wanted: dict[str, Any], document: Checked, state: State) -> Any:
        """Make the rule, at the end for now."""
        return rules.create_rule(
            team=state.team,
            name=name,
            match=wanted["match"],
            continue_matching=wanted["continue"],
            **self._leads(wanted, state),
        )

    def update(
        self,
        row: Any,
        wanted: dict[str, Any],
        changes: list[Change],
        document: Checked,
        state: State,
    ) -> Any:
        """Change the rule."""
        fields = self._leads(wanted, state) | {"name": document.name}
        if not wanted.get("catch_all"):
            fields |= {"match": wanted["match"], "continue_matching": wanted["continue"]}
        return rules.update_rule(rule=row, **fields)

    def delete(self, row: Any) -> None:
        """Delete the rule; the catch-all stays."""
        try:
            rules.delete_rule(rule=row)
        except rules.CatchAllFixed as error:
            raise InUse("it catches what no other rule takes") from error

    def place_changes(self, document: Checked, row: Any, state: State) -> list[Change]:
        """Return how a rule moves, if its document says where it stands."""
        wanted = document.fields.get("position")
        if wanted is None or document.fields.get("catch_all"):
            return []
        order = [rule.name for rule in state.rows[self.name].values() if not rule.is_catch_all]
        before = order.index(document.name) if row is not None else None
        after = self._order(state).index(document.name)
        return [] if before == after else [Change("spec.position", before, after)]

    def finish(self, state: State) -> None:
        """Put the rules into the order that the documents say."""
        if self._final is None or state.problems:
            return
        routes = MonitorRoute.objects.filter(team=state.team)
        hidden = set(routes.values_list("rule_id", flat=True))
        rows = AlertRule.objects.filter(team=state.team, is_catch_all=False).order_by("position")
        place = {name: index for index, name in enumerate(self._final)}
        ordered = sorted(rows, key=lambda row: (row.pk not in hidden, place.get(row.name, -1)))
        moved = []
        for index, row in enumerate(ordered):
            if row.position != index:
                row.position = index
                moved.append(row)
        AlertRule.objects.bulk_update(moved, ["position"])

    def _order(self, state: State) -> list[str]:
        """Return the names of all rules in the order in which they are to stand."""
        if self._final is None:
            said = {}
            placed: dict[int, Checked] = {}
            for document in state.of(self.name):
                position = document.fields.get("position")
                if document.fields.get("catch_all"):
                    continue
                said[document.name] = position
                if position is None:
                    continue
                if position in placed:
                    text = f"{placed[position].document.path} stands there."
                    state.problems.add(f"{document.path}.position", "duplicate", text)
                placed.setdefault(position, document)
            present = [row.name for row in state.rows[self.name].values() if not row.is_catch_all]
            order = [name for name in present if said.get(name) is None]
            order += [name for name, where in said.items() if where is None and name not in order]
            for name in sorted(
                (name for name in said if said[name] is not None), key=lambda name: said[name] or 0
            ):
                order.insert(said[name] or 0, name)
            self._final = order
        return self._final

    def _adopt_catch_all(self, document: Checked, row: Any, state: State) -> None:
        """Let the team's catch-all have the document's name, so that it is found by it."""
        if self._catch_all is not None:
            text = f"{self._catch_all.document.path} is the rule that catches all."
            state.problems.add(f"{document.path}.catch_all", "duplicate", text)
            return
        self._catch_all = document
        if row.is_catch_all:
            state.rows[self.name].pop(row.name)
        else:
            text = "Another rule has this name."
            state.problems.add(f"{document.document.path}.metadata.name", "taken", text)

    def _leads(self, wanted: dict[str, Any], state: State) -> dict[str, Any]:
        policy = wanted["policy"]
        return {
            "policy": state.rows["EscalationPolicy"][policy] if policy else None,
            "channels": [state.rows["Channel"][name] for name in wanted["channels"]],
        }
