"""What a document of our own kinds says below `spec`: the REST API's fields, things by name.

Each is the serializer that the REST API reads the same thing with, so that no rule is said twice.
What only the server knows is not part of a document, and no look-up is made here: names are
resolved when the documents are applied.
"""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.fields import StrictBoolean, StrictChoice, StrictInteger, StrictSerializer
from accounts.api.fields import StrictText as Text
from incidents.api.alert_rules import AlertRuleSerializer
from incidents.api.channels import ChannelSerializer
from incidents.api.fields import ListField, ZoneField
from incidents.api.maintenances import MOST_MONITORS, MaintenanceSerializer
from incidents.api.policies import PolicySerializer, StepSerializer, TargetSerializer
from incidents.api.rotation_fields import LayerSerializer
from incidents.oncall.limits import MOST_LAYERS, MOST_MEMBERS
from incidents.outbound.urls import MAX_URL_CHARACTERS
from incidents.policies.policies import MOST_STEPS, MOST_TARGETS
from monitors.api.fields import MOST_NAME, LabelsField
from monitors.api.serializers import (
    MOST_GRACE_SECONDS,
    MOST_WINDOW_SECONDS,
    MonitorSerializer,
)
from statuspages.api.components import StatusPageComponentSerializer
from statuspages.api.pages import StatusPageSerializer
from statuspages.services.components import MOST_COMPONENTS
from statuspages.services.components import MOST_MONITORS as MOST_COMPONENT_MONITORS

MOST_SET_MONITORS = 10_000
MOST_NAMESPACE = 63
_MOST_ADDRESS = 254


class SpecFields(StrictSerializer):
    """Leaves out what is only read, and what a document says elsewhere (`dropped`)."""

    dropped: ClassVar[frozenset[str]] = frozenset({"name"})

    def get_fields(self) -> dict[str, Any]:
        """Return the fields of a document."""
        return {
            name: field
            for name, field in super().get_fields().items()
            if not field.read_only and name not in self.dropped
        }


class NamesField(ListField):
    """Names of things, each once."""

    def __init__(self, *, longest: int = 120, **options: Any) -> None:
        super().__init__(child=Text(max_length=longest), **options)

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the names in order. Raises ValidationError."""
        return list(dict.fromkeys(super().to_internal_value(data)))


class MonitorNamesField(NamesField):
    """Names of monitors: `namespace/name`, or the name alone in the team's own namespace."""

    def __init__(self, **options: Any) -> None:
        super().__init__(longest=MOST_NAMESPACE + 1 + MOST_NAME, **options)


class SecretKeySerializer(StrictSerializer):
    """One key of a Secret."""

    name = Text(max_length=MOST_NAME)
    key = Text(max_length=MOST_NAME)


class AnySecretKeySerializer(SecretKeySerializer):
    """One key of a Secret of any namespace; of the team's own unless said."""

    namespace = Text(max_length=MOST_NAMESPACE, required=False)


# --- monitoring.yuptime.io/v1 ---------------------------------------------------------------


class TypeField(StrictChoice):
    """The type of a monitor, of which there is one here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=["push"], **options)

    def to_internal_value(self, data: Any) -> Any:
        """Return `push`. Raises ValidationError for any other, naming it."""
        if isinstance(data, str) and data != "push":
            shown = data if len(data) <= 80 else data[:79] + "…"
            text = f"Monitors of type “{shown}” are not supported: only push."
            raise ValidationError(text, code="unsupported")
        return super().to_internal_value(data)


class PushTargetSerializer(StrictSerializer):
    """What a push must show, and how long it counts."""

    tokenSecretRef = SecretKeySerializer()  # noqa: N815 - the names are the documents'
    expireSeconds = StrictInteger(min_value=5, max_value=MOST_WINDOW_SECONDS, default=300)  # noqa: N815
    gracePeriodSeconds = StrictInteger(max_value=MOST_GRACE_SECONDS, default=60)  # noqa: N815


class TargetsSerializer(StrictSerializer):
    """What is watched."""

    push = PushTargetSerializer()


class CadenceSerializer(StrictSerializer):
    """How often a push is expected, for display and advice."""

    intervalSeconds = StrictInteger(min_value=1, max_value=MOST_WINDOW_SECONDS, default=60)  # noqa: N815
    timeoutSeconds = StrictInteger(max_value=MOST_WINDOW_SECONDS, required=False, allow_null=True)  # noqa: N815


class AlertingSerializer(StrictSerializer):
    """An Alertmanager of the monitor's own, and the labels that its alerts carry."""

    alertmanagerUrl = Text(max_length=MAX_URL_CHARACTERS)  # noqa: N815
    labels = LabelsField(default=dict)


class YuptimeMonitorSpec(StrictSerializer):
    """A push monitor."""

    type = TypeField()
    schedule = CadenceSerializer(required=False)
    target = TargetsSerializer()
    alerting = AlertingSerializer(required=False)


# --- our own --------------------------------------------------------------------------------


class AlertmanagerSerializer(StrictSerializer):
    """An Alertmanager that hears of this monitor beside all that the alert rules say."""

    url = Text(max_length=MAX_URL_CHARACTERS)
    labels = LabelsField(default=dict)


class MonitorSpec(SpecFields, MonitorSerializer):
    """A monitor with all that the REST API lets one set."""

    dropped = frozenset({"name", "namespace"})
    token_secret = SecretKeySerializer(required=False, allow_null=True)
    alertmanager = AlertmanagerSerializer(required=False, allow_null=True)


class NamedMonitorSpec(MonitorSpec):
    """A monitor of a set."""

    dropped = frozenset({"namespace"})


class SetMonitors(serializers.Field[Any, Any, Any, Any]):
    """The monitors of a set; each is read once the defaults are known."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the entries as they are. Raises ValidationError."""
        if not isinstance(data, list):
            raise ValidationError("Must be a list of monitors.", code="not_a_list")
        if len(data) > MOST_SET_MONITORS:
            text = f"Must hold at most {MOST_SET_MONITORS} monitors."
            raise ValidationError(text, code="max_length")
        return data

    def to_representation(self, value: Any) -> Any:
        """Return the entries as they are."""
        return value


class MonitorSetSpec(StrictSerializer):
    """Many monitors: what is not said of one is as in `defaults`."""

    defaults = MonitorSpec(required=False)
    monitors = SetMonitors()

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the defaults as they were given, checked, and the monitors."""
        values = super().to_internal_value(data)
        values["defaults"] = data.get("defaults", {})
        return values


class ChannelSpec(SpecFields, ChannelSerializer):
    """A channel. A secret of its kind is given by a Secret, or kept as it is stored."""

    dropped = frozenset({"name", "disabled_at"})
    secrets = serializers.DictField(child=AnySecretKeySerializer(), required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Return the fields; a channel whose settings are all secret needs no `config`."""
        if isinstance(data, dict):
            data = {"config": {}} | data
        return super().to_internal_value(data)


class LayerSpec(LayerSerializer):
    """One row of turns, with the members' addresses."""

    members: Any = ListField(child=Text(max_length=_MOST_ADDRESS), most=MOST_MEMBERS, default=list)


class RotationSpec(StrictSerializer):
    """People who take turns."""

    timezone = ZoneField(default="UTC")
    layers = ListField(child=LayerSpec(), most=MOST_LAYERS)


class TargetSpec(TargetSerializer):
    """Whom a step pages: exactly one of a rotation, a member by address, or a channel."""

    rotation: Any = Text(max_length=120, required=False)
    channel: Any = Text(max_length=120, required=False)


class StepSpec(StepSerializer):
    """A rung of the ladder."""

    targets = ListField(child=TargetSpec(), most=MOST_TARGETS)


class PolicySpec(SpecFields, PolicySerializer):
    """An escalation policy."""

    steps: Any = ListField(child=StepSpec(), min_length=1, most=MOST_STEPS)


class RuleSpec(SpecFields, AlertRuleSerializer):
    """An alert rule. `catch_all` is the one that takes what no other does."""

    policy: Any = Text(max_length=120, required=False, allow_null=True)
    channels: Any = NamesField(required=False)
    catch_all = StrictBoolean(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the fields. Raises ValidationError for a catch-all that is narrowed or moved."""
        attrs = super().validate(attrs)
        if attrs.get("catch_all"):
            said = {"match": "match", "position": "position", "continue": "continue_matching"}
            text = "The rule that catches all has no place and no matchers, and is the last."
            wrong = {
                name: [ErrorDetail(text, code="invalid")]
                for name, source in said.items()
                if attrs.get(source) and (name != "match" or any(attrs[source].values()))
            }
            if wrong:
                raise ValidationError(wrong)
        return attrs


class ComponentSpec(SpecFields, StatusPageComponentSerializer):
    """One line of a page. A `status` set by hand stays as it is unless it is said here."""

    dropped = frozenset({"group", "position"})
    monitors: Any = MonitorNamesField(most=MOST_COMPONENT_MONITORS, required=False)


class GroupSpec(StrictSerializer):
    """A heading with what stands under it."""

    name = Text(max_length=120)
    components = ListField(child=ComponentSpec(), min_length=1, most=MOST_COMPONENTS)


class PageSpec(SpecFields, StatusPageSerializer):
    """A status page; its slug is the document's name. Pictures stay as they are.

    `components` and `groups` together are all that the page shows; with neither, that stays.
    """

    dropped = frozenset({"slug", "logo", "dark_logo", "favicon"})
    password_secret = AnySecretKeySerializer(required=False, allow_null=True)
    components = ListField(child=ComponentSpec(), most=MOST_COMPONENTS, required=False)
    groups = ListField(child=GroupSpec(), most=MOST_COMPONENTS, required=False)


class MaintenanceSpec(SpecFields, MaintenanceSerializer):
    """A maintenance window."""

    monitors: Any = MonitorNamesField(most=MOST_MONITORS, required=False)
    status_page: Any = Text(
        max_length=63, required=False, allow_null=True, help_text="The slug of one of your pages."
    )
