"""Monitors as documents want them: of both kinds, and of sets, in the columns of one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import ValidationError

from manifests.kinds.state import State
from manifests.problems import join
from manifests.reading.kinds import YUPTIME, Checked
from manifests.reading.specs import NamedMonitorSpec
from monitors.models import Monitor

# The columns that a document of our own kind sets, with what leaving one out means.
DEFAULTS: dict[str, Any] = {
    name: Monitor._meta.get_field(name).get_default()  # type: ignore[union-attr]  # they are columns
    for name in (
        "description",
        "interval",
        "silent_after",
        "grace",
        "cron",
        "cron_timezone",
        "timeout",
        "failures_to_open",
        "passes_to_close",
        "latency_limit_ms",
        "severity",
        "labels",
        "require_token",
        "arm_on_create",
        "runbook_url",
    )
}
MOST_MONITORS = 10_000
# How the two kinds call a column, in what an apply says that it changed.
OURS_SAYS = {"cron": "schedule.cron", "cron_timezone": "schedule.timezone"}
YUPTIME_SAYS = {
    "interval": "schedule.intervalSeconds",
    "timeout": "schedule.timeoutSeconds",
    "silent_after": "target.push.expireSeconds",
    "grace": "target.push.gracePeriodSeconds",
    "secret": "target.push.tokenSecretRef",
    "alerting": "alerting",
    "cron": "schedule.cron",
    "cron_timezone": "schedule.timezone",
}


@dataclass(frozen=True, slots=True)
class Route:
    """An Alertmanager, and the labels that it is sent."""

    url: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A monitor that a document wants, `path` being where its fields stand.

    `columns` are those that the document decides about; others of a present monitor stay.
    """

    document: Checked
    path: str
    namespace: str
    name: str
    columns: dict[str, Any]
    secret: dict[str, str] | None
    secret_path: str
    route: Route | None
    route_path: str
    says: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


def wanted_monitors(state: State) -> list[Wanted]:
    """Return what all documents want, in order; a name that is said twice is a problem."""
    found: dict[tuple[str, str], Wanted] = {}
    for document in state.of("Monitor", "MonitorSet"):
        for wanted in _read(document, state):
            earlier = found.setdefault(wanted.key, wanted)
            if earlier is not wanted:
                where = f"{wanted.path.removesuffix('.spec')}.metadata.name"
                if document.kind.name == "MonitorSet":
                    where = f"{wanted.path}.name"
                text = f"{earlier.path.removesuffix('.spec')} is of the same name."
                state.problems.add(where, "duplicate", text)
        if len(found) > MOST_MONITORS:
            text = f"An apply takes at most {MOST_MONITORS} monitors: send the others in another."
            state.problems.add(document.document.path, "max_length", text)
            break
    return list(found.values())


def _read(document: Checked, state: State) -> Iterator[Wanted]:
    namespace = state.space_of(document)
    if document.kind.name == "MonitorSet":
        yield from _read_set(document, namespace, state)
    elif document.kind.api_version == YUPTIME:
        yield _read_yuptime(document, namespace)
    else:
        yield _read_ours(document, document.path, namespace, document.name, dict(document.fields))


def _read_set(document: Checked, namespace: str, state: State) -> Iterator[Wanted]:
    defaults = document.fields["defaults"]
    reader = NamedMonitorSpec()
    for index, entry in enumerate(document.fields["monitors"]):
        path = join(f"{document.path}.monitors", index)
        try:
            # Read with the defaults, so that what is refused together is refused.
            said = defaults | entry if isinstance(entry, dict) else entry
            values = dict(reader.run_validation(said))
        except ValidationError as error:
            state.problems.add_details(path, error.detail)
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                state.failed.add(("Monitor", f"{namespace}/{entry['name']}"))
            continue
        yield _read_ours(document, path, namespace, values.pop("name"), values)


def _read_ours(
    document: Checked, path: str, namespace: str, name: str, values: dict[str, Any]
) -> Wanted:
    secret = values.pop("token_secret", None)
    alertmanager = values.pop("alertmanager", None)
    route = _route(alertmanager["url"], alertmanager["labels"]) if alertmanager else None
    return Wanted(
        document=document,
        path=path,
        namespace=namespace,
        name=name,
        columns=DEFAULTS | values,
        secret=secret,
        secret_path=f"{path}.token_secret",
        route=route,
        route_path=f"{path}.alertmanager",
        says=OURS_SAYS,
    )


def _read_yuptime(document: Checked, namespace: str) -> Wanted:
    spec, path = document.fields, document.path
    push, cadence = spec["target"]["push"], spec.get("schedule", {})
    alerting = spec.get("alerting")
    return Wanted(
        document=document,
        path=path,
        namespace=namespace,
        name=document.name,
        columns={
            "interval": cadence.get("intervalSeconds", DEFAULTS["interval"]),
            "timeout": cadence.get("timeoutSeconds"),
            "silent_after": push["expireSeconds"],
            "grace": push["gracePeriodSeconds"],
            "cron": "",
            "cron_timezone": "",
        },
        secret=push["tokenSecretRef"],
        secret_path=f"{path}.target.push.tokenSecretRef",
        route=_route(alerting["alertmanagerUrl"], alerting["labels"]) if alerting else None,
        route_path=f"{path}.alerting",
        says=YUPTIME_SAYS,
    )


def _route(url: str, labels: Mapping[str, str]) -> Route:
    return Route(url, tuple(sorted(labels.items())))
