"""What requests and answers look like: by the name of their schema in the OpenAPI document."""

from __future__ import annotations

from typing import Any

_MONITOR = "01a1e0c2-7d4e-7b8a-9f60-3f1f5d0c2b11"
_INCIDENT = "01a1e0c9-12aa-7c03-8d5b-6d2a7c9e4f22"
_CHANNEL = "01a1e0d1-55b0-7e1d-a1c4-0b9c8d7e6f33"
_ROTATION = "01a1e0d5-0c3f-7a92-b7d8-9e8d7c6b5a44"
_POLICY = "01a1e0d8-9f10-7d46-8c2e-1a2b3c4d5e55"
_PAGE = "01a1e0e0-3b7c-7f5a-9ab1-5e4d3c2b1a66"
_COMPONENT = "01a1e0e4-6a8d-7c21-b3f5-7a6b5c4d3e77"
_POST = "01a1e0e9-1d2e-7b98-8e47-2b3c4d5e6f88"
_UPDATE = "01a1e0ea-4c5d-7e10-9d36-3c4d5e6f7a99"

_monitor_request: dict[str, Any] = {
    "name": "nightly-backup",
    "description": "pg_dump to the vault",
    "schedule": {"cron": "0 3 * * *", "timezone": "Europe/Berlin"},
    "grace": 1800,
    "severity": "critical",
    "labels": {"host": "db-1", "service": "backup"},
    "runbook_url": "https://wiki.example.com/backup",
}
_monitor: dict[str, Any] = {
    "id": _MONITOR,
    "namespace": "acme",
    **_monitor_request,
    "slug": "q7Xw2mPz9KfB",
    "push_url": "https://tocsin.example.com/api/push/q7Xw2mPz9KfB/results",
    "interval": 60,
    "silent_after": 90,
    "timeout": None,
    "failures_to_open": 1,
    "passes_to_close": 1,
    "latency_limit_ms": None,
    "require_token": False,
    "arm_on_create": False,
    "state": "up",
    "cause": None,
    "last_push_at": "2027-03-01T02:04:11.482913Z",
    "due_at": "2027-03-02T02:30:00Z",
    "paused": False,
    "created_at": "2027-02-01T10:12:44.120034Z",
}
_incident: dict[str, Any] = {
    "id": _INCIDENT,
    "monitor": _MONITOR,
    "monitor_name": "nightly-backup",
    "namespace": "acme",
    "state": "acknowledged",
    "cause": "silence",
    "severity": "critical",
    "summary": "nightly-backup is silent",
    "down_since": "2027-03-02T02:30:00Z",
    "opened_at": "2027-03-02T02:30:00.713201Z",
    "acknowledged_at": "2027-03-02T02:33:19.001202Z",
    "acknowledged_by": "ada@example.org",
    "resolved_at": None,
    "resolved_reason": None,
    "flapping": False,
    "snoozed_until": None,
    "previous": None,
}
_layer: dict[str, Any] = {
    "unit": "week",
    "length": 1,
    "handoff": "2027-03-01T09:00",
    "members": ["ada@example.org", "grace@example.org"],
    "restrictions": [],
}
_update: dict[str, Any] = {
    "id": _UPDATE,
    "status": "investigating",
    "body": "Requests take long. We look into it.",
    "at": "2027-03-02T02:35:00Z",
}

DOCUMENTS = """\
apiVersion: tocsin/v1
kind: Monitor
metadata:
  name: nightly-backup
  namespace: acme
spec:
  schedule:
    cron: 0 3 * * *
    timezone: Europe/Berlin
  grace: 1800
---
apiVersion: tocsin/v1
kind: Monitor
metadata:
  name: queue
  namespace: acme
spec:
  silent_after: 120
"""
EXAMPLES: dict[str, Any] = {
    "Problem": {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "silent_after: Ensure this value is greater than or equal to 5.",
        "errors": [
            {
                "field": "silent_after",
                "code": "min_value",
                "detail": "Ensure this value is greater than or equal to 5.",
            }
        ],
    },
    "MonitorRequest": _monitor_request,
    "PatchedMonitorRequest": {"silent_after": 600, "grace": 120, "labels": {"host": "db-2"}},
    "Monitor": _monitor,
    "MonitorWithToken": {**_monitor, "state": "pending", "token": "pt_9vYhQmT4kLr2"},
    "CredentialRotationRequest": {"keep_old_for": 3600},
    "PushRequest": {
        "status": "pass",
        "latency_ms": 812.5,
        "message": "41 GB written",
        "labels": {"host": "db-1"},
    },
    "PushAnswer": {
        "ok": True,
        "id": "01a1e0c5-2f1b-7a33-8c90-4d5e6f7a8bb0",
        "monitor": "nightly-backup",
        "status": "pass",
        "state": "up",
        "received_at": "2027-03-01T02:04:11.482913Z",
        "due_at": "2027-03-02T02:30:00Z",
    },
    "Incident": _incident,
    "IncidentDetail": {
        **_incident,
        "timeline": [
            {
                "at": "2027-03-02T02:30:00.713201Z",
                "kind": "opened",
                "actor": "",
                "text": "nightly-backup is silent",
            }
        ],
        "notifications": [],
    },
    "Delivery": {
        "id": "01a1e0cb-8d1f-7c5e-9b72-5e6f7a8b9cc1",
        "incident": _INCIDENT,
        "channel": _CHANNEL,
        "contact_method": None,
        "kind": "webhook",
        "event": "incident.opened",
        "state": "delivered",
        "bundle": None,
        "created_at": "2027-03-02T02:30:00.801145Z",
        "attempts": [
            {"at": "2027-03-02T02:30:01.113902Z", "outcome": "sent", "detail": "200"},
        ],
    },
    "WebhookChannelRequest": {
        "name": "operations",
        "kind": "webhook",
        "config": {"url": "https://hooks.example.com/tocsin"},
    },
    "Channel": {
        "id": _CHANNEL,
        "name": "operations",
        "kind": "webhook",
        "config": {"url": "https://hooks.example.com/tocsin"},
        "disabled_at": None,
    },
    "AlertRuleRequest": {
        "name": "Databases at night",
        "match": {"labels": {"service": "backup"}, "severities": ["critical"]},
        "channels": [_CHANNEL],
    },
    "EscalationPolicyRequest": {
        "name": "Usual",
        "repeat": 2,
        "steps": [
            {"delay": 0, "targets": [{"rotation": _ROTATION}]},
            {"delay": 600, "targets": [{"member": "ada@example.org"}, {"channel": _CHANNEL}]},
        ],
    },
    "EscalationPolicy": {
        "id": _POLICY,
        "name": "Usual",
        "repeat": 2,
        "acknowledge_timeout": None,
        "steps": [{"delay": 0, "targets": [{"rotation": _ROTATION}]}],
        "created_at": "2027-02-01T10:12:44.120034Z",
    },
    "FlatRotationRequest": {"name": "Primary", "timezone": "Europe/Berlin", **_layer},
    "LayeredRotationRequest": {
        "name": "Primary",
        "timezone": "Europe/Berlin",
        "layers": [
            _layer,
            {
                **_layer,
                "members": ["edsger@example.org"],
                "restrictions": [{"weekdays": [5, 6], "from": "00:00", "to": "24:00"}],
            },
        ],
    },
    "Rotation": {
        "id": _ROTATION,
        "name": "Primary",
        "timezone": "Europe/Berlin",
        "layers": [_layer],
        "calendar_url": f"https://tocsin.example.com/api/v1/rotations/{_ROTATION}/calendar.ics?key=…",
        "created_at": "2027-02-01T10:12:44.120034Z",
    },
    "RotationOverrideRequest": {
        "start": "2027-03-06T08:00:00Z",
        "end": "2027-03-07T08:00:00Z",
        "member": "grace@example.org",
    },
    "MaintenanceRequest": {
        "name": "Patch night",
        "labels": {"service": "backup"},
        "starts_at": "2027-03-02T22:00:00Z",
        "ends_at": "2027-03-03T00:00:00Z",
        "rrule": "FREQ=MONTHLY;BYDAY=1TU",
        "timezone": "Europe/Berlin",
    },
    "StatusPageRequest": {"name": "Acme", "slug": "acme", "published": True, "locale": "en"},
    "StatusPageComponentRequest": {
        "name": "Backups",
        "group": "Data",
        "monitors": [_MONITOR],
        "rule": "any",
    },
    "StatusPageComponent": {
        "id": _COMPONENT,
        "name": "Backups",
        "description": "",
        "group": "Data",
        "position": 0,
        "monitors": [_MONITOR],
        "rule": "any",
        "status": None,
        "current_status": "operational",
        "show_uptime": True,
        "show_latency": False,
    },
    "StatusPagePostRequest": {
        "title": "Backups are late",
        "status": "investigating",
        "impact": "minor",
        "body": "Requests take long. We look into it.",
        "components": [_COMPONENT],
    },
    "StatusPagePost": {
        "id": _POST,
        "title": "Backups are late",
        "impact": "minor",
        "status": "investigating",
        "components": [_COMPONENT],
        "component_statuses": {_COMPONENT: "degraded_performance"},
        "started_at": "2027-03-02T02:35:00Z",
        "resolved_at": None,
        "scheduled_for": None,
        "scheduled_until": None,
        "published": True,
        "automatic": False,
        "updates": [_update],
        "created_at": "2027-03-02T02:35:00.332100Z",
    },
    "PostUpdate": _update,
    "PostUpdateRequest": {"status": "resolved", "body": "All backups are written again."},
    "MemberRequest": {"email": "grace@example.org", "name": "Grace", "role": "member"},
    "InvitationRequest": {"email": "grace@example.org", "role": "member"},
    "ApiKeyRequest": {"name": "deploy", "scope": "write"},
    "NamespaceRequest": {"name": "acme-batch"},
    "NoteRequest": {"text": "The disk is being replaced."},
    "SnoozeRequest": {"seconds": 7200},
    "AssignRequest": {"member": "grace@example.org"},
    "BulkActionRequest": {"action": "pause", "filter": {"label": "env:staging"}},
    "AlertmanagerWebhookRequest": {
        "status": "firing",
        "commonLabels": {"alertname": "Watchdog", "severity": "none"},
        "commonAnnotations": {"summary": "Prometheus can reach Alertmanager."},
    },
}
