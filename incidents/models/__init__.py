"""The tables of this room: incidents, who is told of them, and every attempt to tell them."""

from incidents.models.channels import Channel
from incidents.models.contacts import ContactMethod
from incidents.models.deliveries import ContactPace, Delivery, DeliveryState, Notification
from incidents.models.incidents import (
    Escalation,
    HeldOutage,
    Incident,
    IncidentState,
    TimelineEvent,
)
from incidents.models.maintenance import Maintenance, MaintenanceMonitor, MaintenanceSpan
from incidents.models.oncall import Rotation, RotationLayer, RotationMember, RotationOverride
from incidents.models.policies import EscalationPolicy, EscalationStep, EscalationTarget
from incidents.models.rules import AlertRule, AlertRuleChannel, empty_match
from incidents.models.watching import NoticeKind, OperatorNotice, WatchRound

__all__ = [
    "AlertRule",
    "AlertRuleChannel",
    "Channel",
    "ContactMethod",
    "ContactPace",
    "Delivery",
    "DeliveryState",
    "Escalation",
    "EscalationPolicy",
    "EscalationStep",
    "EscalationTarget",
    "HeldOutage",
    "Incident",
    "IncidentState",
    "Maintenance",
    "MaintenanceMonitor",
    "MaintenanceSpan",
    "NoticeKind",
    "Notification",
    "OperatorNotice",
    "Rotation",
    "RotationLayer",
    "RotationMember",
    "RotationOverride",
    "TimelineEvent",
    "WatchRound",
    "empty_match",
]
