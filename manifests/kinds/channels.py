"""Channels. Their secrets come out of Secrets, or stay as they are stored; none is ever shown."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from accounts.keys import token_matches
from accounts.models import Team
from incidents import destinations
from incidents.channels.registry import KINDS
from incidents.models import AlertRuleChannel, Channel
from manifests.changes import Change, masked
from manifests.kinds.base import InUse, ThingKind
from manifests.kinds.secrets import Secrets
from manifests.kinds.state import State
from manifests.reading.kinds import Checked


class ChannelThing(ThingKind):
    """The places that messages go to."""

    name = "Channel"

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._configs: dict[int, dict[str, Any]] = {}  # whole ones, by document; never shown

    def load(self, team: Team) -> dict[str, Any]:
        """Return the channels by name."""
        return {row.name: row for row in Channel.objects.filter(team=team).order_by("name")}

    def show(self, row: Any) -> dict[str, Any]:
        """Return the channel without its secrets."""
        return {"kind": row.kind, "config": KINDS[row.kind].hide_secrets(row.config)}

    def show_secrets(self, row: Any) -> dict[str, Any]:
        """Return the stored Secrets whose values the channel's secrets are."""
        kind = KINDS[row.kind]
        found = {
            field: self._secrets.reference_to(row.config.get(field))
            for field in sorted(kind.secret_fields)
            if row.config.get(field)
        }
        return {field: ref for field, ref in found.items() if ref is not None}

    def want(self, document: Checked, row: Any, state: State) -> dict[str, Any]:
        """Return the channel; of a present one only the secrets may be left out."""
        fields = document.fields
        kind = KINDS[fields["kind"]]
        if row is not None and row.kind != fields["kind"]:
            text = "The kind of a channel cannot change; give another name."
            state.problems.add(f"{document.path}.kind", "immutable", text)
            return {}
        config = self._whole(document, row, state)
        if config is None:
            return {}
        # What is stored was clean when it was stored, though the operator may allow less by now.
        if row is None or config != row.config:
            given = set(config)
            config = kind.clean(config, allow=settings.OUTBOUND_ALLOW)
            for field in sorted((kind.secret_fields & set(config)) - given):
                state.warnings.append(
                    f"{document.path}.secrets.{field}: One was made up, and is shown nowhere: "
                    "give your own by a Secret if the receiver checks it."
                )
        self._configs[document.document.index] = config
        return {"kind": fields["kind"], "config": kind.hide_secrets(config)}

    def more_changes(self, document: Checked, row: Any, state: State) -> list[Change]:
        """Return which secrets differ."""
        before = row.config if row is not None else {}
        after = self._configs[document.document.index]
        return [
            masked(f"spec.config.{field}", existed=field in before)
            for field in sorted(KINDS[document.fields["kind"]].secret_fields)
            if before.get(field) != after.get(field)
        ]

    def create(self, name: str, wanted: dict[str, Any], document: Checked, state: State) -> Any:
        """Make the channel."""
        return destinations.create_channel(
            team=state.team,
            name=name,
            kind=wanted["kind"],
            config=self._configs[document.document.index],
        )

    def update(
        self,
        row: Any,
        wanted: dict[str, Any],
        changes: list[Change],
        document: Checked,
        state: State,
    ) -> Any:
        """Change the channel's configuration, which makes a disabled one work again."""
        config = self._configs[document.document.index]
        return destinations.update_channel(channel=row, config=config)

    def delete(self, row: Any) -> None:
        """Delete the channel unless a rule or a policy uses it."""
        rules = AlertRuleChannel.objects.filter(channel=row)
        if names := sorted(set(rules.values_list("rule__name", flat=True))):
            raise InUse(f"alert rules use it: {', '.join(names)}")
        try:
            destinations.delete_channel(channel=row)
        except destinations.ChannelInUse as error:
            raise InUse(f"escalation policies page it: {', '.join(error.policies)}") from error

    def _whole(self, document: Checked, row: Any, state: State) -> dict[str, Any] | None:
        """Return the configuration with its secrets; None if one cannot be had."""
        fields = document.fields
        kind = KINDS[fields["kind"]]
        config, missing = dict(fields["config"]), False
        for field, ref in fields.get("secrets", {}).items():
            path = f"{document.path}.secrets.{field}"
            if field not in kind.secret_fields:
                known = ", ".join(sorted(kind.secret_fields)) or "none"
                state.problems.add(path, "unknown", f"This kind's secrets are: {known}.")
                missing = True
                continue
            if field in config:
                text = "Give it here or in config, not in both."
                state.problems.add(path, "invalid", text)
                missing = True
                continue
            value = self._secrets.find(ref, ref.get("namespace", state.team.slug), path)
            text_of = value.text if value else None
            if value is None:
                missing = True
            elif text_of is not None:
                config[field] = text_of
            else:
                stored = row.config.get(field) if row is not None else None
                if isinstance(stored, str) and token_matches(stored, value.row.token_hash):
                    continue
                text = "Only a hash of this Secret is stored: send it along with the channel."
                state.problems.add(path, "required", text)
                missing = True
        if missing:
            return None
        return kind.keep_secrets(config, stored=row.config if row is not None else {})
