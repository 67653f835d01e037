"""Where messages go (channels) and which incidents go there (alert rules)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel
from incidents.models.channels import Channel
from incidents.models.policies import EscalationPolicy


def empty_match() -> dict[str, Any]:
    """Return matchers that match every incident."""
    return {
        "labels": {},
        "namespaces": [],
        "names": [],
        "severities": [],
        "causes": [],
        "hours": [],
    }


class AlertRule(TenantModel):
    """Which incidents go where. Rules are tried by position; the catch-all is always last."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    position = models.PositiveIntegerField(null=True, help_text="Empty for the catch-all.")
    match = models.JSONField(default=empty_match)
    # A policy that a rule follows cannot be deleted: its incidents would go elsewhere unnoticed.
    policy = models.ForeignKey(
        EscalationPolicy,
        on_delete=models.PROTECT,
        null=True,
        db_constraint=False,
        related_name="rules",
    )
    channels = models.ManyToManyField(Channel, through="AlertRuleChannel", related_name="rules")
    continue_matching = models.BooleanField(default=False)
    is_catch_all = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "name", name="alertrule_name_once"),
            models.UniqueConstraint("team", "id", name="alertrule_team_id"),
            models.UniqueConstraint(
                fields=["team", "position"],
                name="alertrule_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(
                "team", condition=models.Q(is_catch_all=True), name="alertrule_one_catch_all"
            ),
            models.CheckConstraint(
                condition=models.Q(is_catch_all=True) ^ models.Q(position__isnull=False),
                name="alertrule_catch_all_unnumbered",
            ),
            TenantKey(field="policy", name="alertrule_policy_team"),
        ]

    def __str__(self) -> str:
        return self.name


class AlertRuleChannel(TenantModel):
    """A channel that a rule sends to."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, db_constraint=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_constraint=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("rule", "channel", name="alertrulechannel_once"),
            TenantKey(field="rule", name="alertrulechannel_rule_team"),
            TenantKey(field="channel", name="alertrulechannel_channel_team"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} → {self.channel_id}"
