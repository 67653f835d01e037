"""`Idempotency-Key` on POST: a repeat within a day gets the first answer, and does nothing.

The answer is kept encrypted by the caller's own API key, of which only a hash is stored: it may
hold a token that is shown once. Only success is kept: what was refused changed nothing, and may be
tried again with the same key. A request that died on its way gives its key free after a minute.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpResponse
from django_scopes import scopes_disabled
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.parsers import parse_json
from accounts.api.problems import Conflict
from accounts.models import ApiKey, KeptAnswer

MOST_KEY = 255
_CLAIM = """
INSERT INTO accounts_keptanswer AS k (digest, team_id, request_hash, created_at)
VALUES (%s, %s, %s, clock_timestamp())
ON CONFLICT (digest) DO UPDATE SET request_hash = excluded.request_hash,
  created_at = excluded.created_at, status = NULL, body = NULL
WHERE k.created_at < clock_timestamp() - interval '24 hours'
  OR (k.status IS NULL AND k.created_at < clock_timestamp() - interval '60 seconds')
RETURNING created_at
"""


class Mismatch(APIException):
    """The key was used for another request (422)."""

    status_code = 422
    default_code = "mismatch"
    default_detail = "This Idempotency-Key was used for another request."


class InProgress(Conflict):
    """The first request with this key is still being answered (409)."""

    wait = 1
    default_detail = "The first request with this Idempotency-Key is still being answered."


class Repeated(Exception):  # noqa: N818 - it names what happened
    """The request was answered before; `answer` is what was said."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True)
class Receipt:
    """The right to answer a request for the first time."""

    digest: str
    since: datetime  # whoever took the key over after a minute has another one
    box: Fernet

    def keep(self, response: HttpResponse) -> None:
        """Keep a JSON answer that tells of success, else give the key free."""
        content_type = response.get("Content-Type", "")
        is_json = not response.content or content_type.startswith("application/json")
        if not (200 <= response.status_code < 300 and is_json):
            self.give_back()
            return
        with scopes_disabled():
            self._mine().update(
                status=response.status_code, body=self.box.encrypt(response.content)
            )

    def give_back(self) -> None:
        """Give the key free: nothing was answered."""
        with scopes_disabled():
            self._mine().delete()

    def _mine(self) -> QuerySet[KeptAnswer]:
        return KeptAnswer.objects.filter(digest=self.digest, created_at=self.since)


def open_receipt(request: Request, *, key: ApiKey, secret: str, body: bytes) -> Receipt | None:
    """Return the receipt to fill in, None if the request carries no `Idempotency-Key`.

    `secret` is the text of the API key. Raises Repeated, Mismatch, InProgress, ValidationError.
    """
    name: str = request.META.get("HTTP_IDEMPOTENCY_KEY", "")
    if not name:
        return None
    if len(name) > MOST_KEY or not name.isprintable():
        text = f"Must be at most {MOST_KEY} printable characters."
        raise ValidationError({"Idempotency-Key": [ErrorDetail(text, code="invalid")]})
    digest = _hash(str(key.pk), request.method or "", request.get_full_path(), name)
    request_hash = _hash(request.META.get("CONTENT_TYPE", ""), body)
    mixed = hashlib.sha256(f"{secret}\n{digest}".encode("utf-8", "surrogateescape")).digest()
    box = Fernet(base64.urlsafe_b64encode(mixed))
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, [digest, key.team_id, request_hash])
        if (claimed := cursor.fetchone()) is not None:
            return Receipt(digest, claimed[0], box)
    with scopes_disabled():
        kept = KeptAnswer.objects.filter(digest=digest).first()
    if kept is not None and kept.request_hash != request_hash:
        raise Mismatch
    if kept is None or kept.status is None:
        raise InProgress
    raise Repeated(_replay(kept, box))


def _replay(kept: KeptAnswer, box: Fernet) -> Response:
    assert kept.body is not None
    assert kept.status is not None
    try:
        content = box.decrypt(bytes(kept.body))
    except InvalidToken as error:
        raise Mismatch from error
    headers = {"Idempotency-Replayed": "true", "Cache-Control": "no-store"}
    data = parse_json(content) if content else None
    return Response(data, status=kept.status, headers=headers)


def _hash(*parts: str | bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()
