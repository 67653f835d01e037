"""Rotations and escalation policies."""

from __future__ import annotations

from typing import Any

from accounts.models import Membership, Team
from incidents.api.fields import find_members
from incidents.api.rotation_fields import show_layers
from incidents.models import EscalationPolicy, EscalationTarget, Rotation
from incidents.oncall import rotations
from incidents.oncall.rotations import LayerValues
from incidents.policies import policies
from incidents.policies.policies import StepValues, Target
from incidents.policies.snapshot import with_steps
from manifests.changes import Change
from manifests.kinds.base import InUse, ThingKind, defaults_of
from manifests.kinds.state import State
from manifests.reading.kinds import Checked

_THINGS = {"rotation": "Rotation", "channel": "Channel"}


class People:
    """The team's members by address, asked for once for all documents."""

    def __init__(self) -> None:
        self._found: dict[str, Membership] | None = None

    def find(self, address: str, path: str, state: State) -> Membership | None:
        """Return the member; None, with the problem noted at `path`, if there is none."""
        if self._found is None:
            self._found = find_members(_addresses(state))
        member = self._found.get(address.lower())
        if member is None:
            state.problems.add(path, "not_found", "There is no such member.")
        return member


class RotationThing(ThingKind):
    """People who take turns."""

    name = "Rotation"

    def __init__(self, people: People) -> None:
        self._people = people

    def load(self, team: Team) -> dict[str, Any]:
        """Return the rotations by name."""
        rows = Rotation.objects.filter(team=team).order_by("name")
        rows = rows.prefetch_related("layers__slots__membership__user")
        return {row.name: row for row in rows}

    def show(self, row: Any) -> dict[str, Any]:
        """Return the rotation with the addresses of its people."""
        return {"timezone": row.timezone, "layers": show_layers(row)}

    def want(self, document: Checked, row: Any, state: State) -> dict[str, Any]:
        """Return the rotation."""
        layers = []
        for index, layer in enumerate(document.fields["layers"]):
            members = []
            for place, address in enumerate(layer["members"]):
                path = f"{document.path}.layers[{index}].members[{place}]"
                if member := self._people.find(address, path, state):
                    members.append(member.user.email)
            handoff = layer["handoff"].isoformat(timespec="minutes")
            restrictions = [dict(each) for each in layer["restrictions"]]
            layers.append(
                {
                    "unit": layer["unit"],
                    "length": layer["length"],
                    "handoff": handoff,
                    "members": members,
                    "restrictions": restrictions,
                }
            )
        return {"timezone": document.fields["timezone"], "layers": layers}

    def create(self, name: str, wanted: dict[str, Any], document: Checked, state: State) -> Any:
        """Make the rotation."""
        return rotations.create_rotation(
            team=state.team,
            name=name,
            timezone=wanted["timezone"],
            layers=self._layers(document, state),
        )

    def update(
        self,
        row: Any,
        wanted: dict[str, Any],
        changes: list[Change],
        document: Checked,
        state: State,
    ) -> Any:
        """Change the rotation; whoever is on call stays it when only the members change."""
        return rotations.update_rotation(
            rotation=row, timezone=wanted["timezone"], layers=self._layers(document, state)
        )

    def delete(self, row: Any) -> None:
        """Delete the rotation unless a policy pages it."""
        try:
            rotations.delete_rotation(rotation=row)
        except rotations.RotationInUse as error:
            raise InUse(f"escalation policies page it: {', '.join(error.policies)}") from error

    def _layers(self, document: Checked, state: State) -> list[LayerValues]:
        found = []
        for layer in document.fields["layers"]:
            members = [self._people.find(address, "", state) for address in layer["members"]]
            present = [member for member in members if member is not None]
            found.append(LayerValues(**{**layer, "members": present}))
        return found


class PolicyThing(ThingKind):
    """Whom to page, in which order, how long after each other."""

    name = "EscalationPolicy"

    def __init__(self, people: People) -> None:
        self._people = people
        self._steps: dict[int, list[StepValues]] = {}

    def load(self, team: Team) -> dict[str, Any]:
        """Return the policies by name."""
        rows = with_steps(EscalationPolicy.objects.filter(team=team).order_by("name"))
        return {row.name: row for row in rows}

    def show(self, row: Any) -> dict[str, Any]:
        """Return the policy with the names of what it pages."""
        steps = [
            {"delay": step.delay, "targets": [_show_target(t) for t in step.targets.all()]}
            for step in row.steps.all()
        ]
        return {
            "repeat": row.repeat,
            "acknowledge_timeout": row.acknowledge_timeout,
            "steps": steps,
        }

    def want(self, document: Checked, row: Any, state: State) -> dict[str, Any]:
        """Return the policy."""
        steps, values = [], []
        for index, step in enumerate(document.fields["steps"]):
            targets: dict[Target, dict[str, str]] = {}
            for place, named in enumerate(step["targets"]):
                [(kind, name)] = named.items()
                path = f"{document.path}.steps[{index}].targets[{place}].{kind}"
                target: Any = (
                    self._people.find(name, path, state)
                    if kind == "member"
                    else state.find(_THINGS[kind], name, path)
                )
                if target is None:
                    continue
                shown = target.user.email if kind == "member" else name
                targets.setdefault(target, {kind: shown})
            steps.append({"delay": step["delay"], "targets": list(targets.values())})
            values.append(StepValues(delay=step["delay"], targets=list(targets)))
        self._steps[document.document.index] = values
        usual = defaults_of(EscalationPolicy, "repeat", "acknowledge_timeout")
        said = {name: document.fields.get(name, value) for name, value in usual.items()}
        wanted = {**said, "steps": steps}
        # Whoever left the team may have left such a step behind; that is no change then.
        if row is None or wanted != self.show(row):
            for index, step in enumerate(document.fields["steps"]):
                if not step["targets"]:
                    path = f"{document.path}.steps[{index}].targets"
                    state.problems.add(path, "min_length", "A step pages at least one target.")
        return wanted

    def create(self, name: str, wanted: dict[str, Any], document: Checked, state: State) -> Any:
        """Make the policy."""
        fields = wanted | {"steps": self._steps[document.document.index]}
        return policies.create_policy(team=state.team, name=name, **fields)

    def update(
        self,
        row: Any,
        wanted: dict[str, Any],
        changes: list[Change],
        document: Checked,
        state: State,
    ) -> Any:
        """Change the policy; incidents that are open go on by the old one."""
        fields = wanted | {"steps": self._steps[document.document.index]}
        return policies.update_policy(policy=row, **fields)

    def delete(self, row: Any) -> None:
        """Delete the policy unless a rule follows it."""
        try:
            policies.delete_policy(policy=row)
        except policies.PolicyInUse as error:
            names = ", ".join(error.rules) or "a new one"
            raise InUse(f"alert rules follow it: {names}") from error


def _show_target(target: EscalationTarget) -> dict[str, str]:
    if target.rotation is not None:
        return {"rotation": target.rotation.name}
    if target.membership is not None:
        return {"member": target.membership.user.email}
    assert target.channel is not None
    return {"channel": target.channel.name}


def _addresses(state: State) -> set[str]:
    found = {
        address
        for document in state.of("Rotation")
        for layer in document.fields["layers"]
        for address in layer["members"]
    }
    return found | {
        target["member"]
        for document in state.of("EscalationPolicy")
        for step in document.fields["steps"]
        for target in step["targets"]
        if "member" in target
    }
