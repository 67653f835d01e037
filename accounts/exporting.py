"""Everything a team owns, as one ZIP that is made while it is sent.

Each page of rows is a query of its own, and no connection is held while the browser is waited for:
a million results need no more memory than a thousand. What is exported is therefore no snapshot of
one instant. Secrets are not exported; `HIDDEN` and what the audit log hides say which columns.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import F, Model, QuerySet
from django_scopes import scopes_disabled

from accounts.audit_triggers import HIDDEN as HIDDEN_WORD
from accounts.audit_triggers import hidden_of
from accounts.erasing import path_of, read_ids, tenant_models
from accounts.models import Team
from accounts.tenancy import TenantKey, TenantModel

log = logging.getLogger(__name__)
PAGE_ROWS = 1000
# Columns whose values are secrets, or carry some. Those that the audit log hides are hidden here
# too: what each room declares in its `audited` module.
HIDDEN: Mapping[str, frozenset[str]] = {
    "accounts_apikey": frozenset({"key_hash"}),
    "accounts_invitation": frozenset({"token_hash"}),
    "monitors_monitor": frozenset({"token_hash", "old_token_hash"}),
    "monitors_secret": frozenset({"token_hash"}),
    "monitors_pushkey": frozenset({"value"}),
    "monitors_badge": frozenset({"key"}),
    "incidents_contactmethod": frozenset({"config", "code_hash"}),
    # What was sent can hold links that acknowledge, and codes.
    "incidents_delivery": frozenset({"payload", "lease_token"}),
    "incidents_rotation": frozenset({"calendar_key"}),
    "statuspages_statuspage": frozenset({"password_hash", "domain_token"}),
    "statuspages_subscriber": frozenset({"secret"}),
    "statuspages_subscribermessage": frozenset({"payload", "lease_token"}),
}
# Tables that hold nothing a team would miss: what is kept for minutes, and what is made of others.
LEFT_OUT = frozenset(
    {
        "accounts_keptanswer",
        "monitors_pushreceipt",
        "monitors_undostep",
        "incidents_contactpace",
        "statuspages_pagesnapshot",
    }
)
_NAMES = {"accounts_membership": {"email": F("user__email")}}
Pages = Iterator[str]
Source = Callable[[Team], Iterable[tuple[str, Pages]]]


@dataclass(frozen=True)
class Document:
    """A file of the ZIP that a room writes in one piece."""

    name: str
    purpose: str
    write: Callable[[Team], str]


_sources: list[Source] = []
_documents: dict[str, Document] = {}
_special: set[type[Model]] = set()


def register_source(source: Source, *, instead_of: type[Model]) -> None:
    """Have `source` give files by name, each page by page, in the place of a table's own."""
    if source not in _sources:
        _sources.append(source)
    _special.add(instead_of)


def register_document(document: Document) -> None:
    """Have a room's document in every ZIP."""
    _documents[document.name] = document


def stream_export(team: Team, *, now: datetime) -> Iterator[bytes]:
    """Return the ZIP of a team, piece by piece, as it is made; `now` is written into it."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pages in _files(team, now):
            info = zipfile.ZipInfo(name, date_time=now.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            with archive.open(info, "w", force_zip64=True) as file:
                for page in pages:
                    file.write(page.encode("utf-8", "surrogatepass"))
                    if piece := sink.take():
                        yield piece
    yield sink.take()


def read_page(read: Callable[[], list[Any]]) -> list[Any]:
    """Return what `read` reads, with all teams in view, and give the connection back."""
    try:
        with scopes_disabled():
            return read()
    finally:
        if not connection.in_atomic_block:
            connection.close()


def write_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as JSON Lines."""
    return "".join(f"{json.dumps(row, cls=_Encoder, ensure_ascii=False)}\n" for row in rows)


def exported_tables() -> list[type[TenantModel]]:
    """Return the tables that have a file of their own, by its name."""
    every = [
        model
        for model in tenant_models()
        if model not in _special and model._meta.db_table not in LEFT_OUT
    ]
    return sorted(every, key=_file_name)


def hidden_columns(model: type[Model]) -> frozenset[str]:
    """Return the columns of a table whose values are never exported."""
    table = model._meta.db_table
    return HIDDEN.get(table, frozenset()) | hidden_of(table)[0]


def _files(team: Team, now: datetime) -> Iterator[tuple[str, Pages]]:
    itself = read_page(lambda: [_team(team)])
    yield "README.txt", iter([_readme(team, now)])
    yield "team.json", iter(itself)
    for document in _documents.values():
        yield document.name, iter(read_page(partial(_write, document, team)))
    for model in exported_tables():
        yield _file_name(model), _rows(model, team)
    for source in _sources:
        yield from source(team)


def _file_name(model: type[Model]) -> str:
    return f"{model._meta.app_label}/{model._meta.model_name}.jsonl"


def _rows(model: type[TenantModel], team: Team) -> Pages:
    names = [field.attname for field in model._meta.concrete_fields if field.attname != "team_id"]
    hidden, keys = hidden_columns(model), hidden_of(model._meta.db_table)[1]
    pk = model._meta.pk.attname
    rows = model._base_manager.filter(team=team).order_by("pk")
    found = rows.values(*names, **_NAMES.get(model._meta.db_table, {}))
    for some in _parts(model, team, found):
        for page in _pages(some, pk):
            yield write_lines(_show(row, hidden, keys) for row in page)


def _parts(model: type[TenantModel], team: Team, found: QuerySet[Any, Any]) -> Iterator[Any]:
    """Return the rows in parts: those of big tables by their parents, which have an index.

    Only where the database lets no row outlive its parent; else the parts would lack some.
    """
    path = path_of(model)
    if path is None or not _keeps_parents(model, path[0]):
        yield found
        return
    parents = read_ids(path[1], team.pk)
    while some := read_page(lambda: next(parents, [])):
        yield found.filter(**{f"{path[0]}__in": some})


def _keeps_parents(model: type[TenantModel], column: str) -> bool:
    keys = {one.field for one in model._meta.constraints if isinstance(one, TenantKey)}
    return any(one.attname == column and one.name in keys for one in model._meta.concrete_fields)


def _pages(found: QuerySet[Any, Any], pk: str) -> Iterator[list[Any]]:
    last = None
    while True:
        following = found if last is None else found.filter(pk__gt=last)
        page = read_page(partial(list, following[:PAGE_ROWS]))
        yield page
        if len(page) < PAGE_ROWS:
            return
        last = page[-1][pk]


def _show(
    row: dict[str, Any], hidden: Iterable[str], keys: Mapping[str, Iterable[tuple[str, str]]]
) -> dict[str, Any]:
    shown = dict(row)
    for name in hidden:
        if shown.get(name) not in (None, "", b""):
            shown[name] = HIDDEN_WORD
    for column, pairs in keys.items():
        secret = {key for kind, key in pairs if kind == row.get("kind")}
        values = shown.get(column)
        if isinstance(values, dict):
            shown[column] = {k: HIDDEN_WORD if k in secret else v for k, v in values.items()}
    return shown


def _write(document: Document, team: Team) -> list[str]:
    """Return a document; one that fails must not cut short everything that comes after it."""
    try:
        return [document.write(team)]
    except Exception:
        log.exception("the document %s of %s could not be written", document.name, team.slug)
        return ["# This could not be written. What it is made of is in the other files.\n"]


def _team(team: Team) -> str:
    shown = {
        "id": team.pk,
        "slug": team.slug,
        "name": team.name,
        "plan": team.plan.name if team.plan else None,
        "created_at": team.created_at,
    }
    return json.dumps(shown, cls=_Encoder, ensure_ascii=False, indent=2) + "\n"


def _readme(team: Team, now: datetime) -> str:
    documents = "".join(f"{each.name}\n    {each.purpose}\n" for each in _documents.values())
    hidden = "".join(
        f"    {_file_name(model)}: {', '.join(sorted(names))}\n"
        for model in exported_tables()
        if (names := hidden_columns(model) | frozenset(hidden_of(model._meta.db_table)[1]))
    )
    return _README.format(
        team=team.slug,
        at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        documents=documents,
        hidden=hidden,
        word=HIDDEN_WORD,
    )


_README = """Everything that the team {team} owns, exported at {at}.

team.json
    The team itself.
{documents}<room>/<table>.jsonl
    One file for each table: JSON Lines, one row a line, in UTF-8. Times are ISO 8601 in UTC. A
    column that ends in _id names the row of another table that has this id.
results/<month>.jsonl
    Every result that is stored, by the month in which it was received (UTC); those of deleted
    monitors too. That can be more than the plan shows.

It was written while the team's things went on, table after table: a row that was made or deleted
meanwhile may be in one file and missing in another.

Secrets are not in it. These columns are hidden; where one has a value it says {word}, and of
settings in a column named config only the secret ones are hidden:
{hidden}
Rows that are kept for minutes only, and what is made of other rows (rendered pages), are left out.
"""


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        if isinstance(o, bytes | memoryview):
            return base64.b64encode(bytes(o)).decode()
        return super().default(o)


class _Sink(io.RawIOBase):
    """What a ZIP is written to: it cannot be sought, and gives away what it has."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
