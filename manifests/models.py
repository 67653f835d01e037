"""What applies remember: what they made, and the rules that stand for monitors' own routes."""

from __future__ import annotations

from django.db import models

from accounts.tenancy import TenantKey, TenantModel
from incidents.models import AlertRule, Channel


class AppliedThing(TenantModel):
    """A thing that an apply created, so that a later one may prune it.

    The id is that of its row; the thing may have been deleted since, by whoever.
    """

    kind = models.CharField(max_length=30)
    thing_id = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("team", "kind", "thing_id", name="applied_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.thing_id}"


class MonitorRoute(TenantModel):
    """An alert rule that sends the incidents of some monitors to an Alertmanager of their own.

    Which monitors it is for is said by the rule's matchers. `made_channel` says that the channel
    was made for such rules and goes with the last of them. Without a channel (it was deleted) the
    rule goes with the next apply.
    """

    rule = models.OneToOneField(
        AlertRule, on_delete=models.CASCADE, db_constraint=False, related_name="+"
    )
    channel = models.ForeignKey(
        Channel, on_delete=models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )
    made_channel = models.BooleanField(default=False)

    class Meta:
        constraints = [
            TenantKey(field="rule", name="monitorroute_rule_team"),
            TenantKey(field="channel", name="monitorroute_channel_team"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} → {self.channel_id}"
