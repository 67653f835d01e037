"""What went wrong, and how it is told."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from requests import Response

REFUSED, UNREACHABLE = 1, 3


class Refused(click.ClickException):
    """The server said no, and trying again would not help."""

    exit_code = REFUSED

    def show(self, file: IO[Any] | None = None) -> None:
        """Print what was refused on stderr."""
        click.echo(f"tocsin: {self.message}", err=True)


class Unreachable(Refused):
    """The server did not answer, or cannot do it now: try again later."""

    exit_code = UNREACHABLE

    def __init__(self, message: str, *, retry_after: float = 0) -> None:
        """Keep for how many seconds the server asked to wait."""
        super().__init__(message)
        self.retry_after = retry_after


class RefusedToCompare(Refused):
    """The documents are wrong: 1 would say that they differ."""

    exit_code = 2


class Commands(click.Group):
    """Commands whose failures take one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Raises ClickException for what the machine refuses."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # a reader that has seen enough, as `head`
            raise
        except OSError as error:
            raise Refused(plain(error.strerror or error)) from None


def plain(value: object, *, most: int = 0) -> str:
    """Return text that cannot steer a terminal: others have written it."""
    text = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in str(value))
    return text if not most or len(text) <= most else text[: most - 1] + "…"


def host_of(url: str) -> str:
    """Return host and port of a URL, without what may stand before them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def explain(answer: Response) -> str:
    """Return what a problem document says: one line, or one for each field."""
    host = host_of(answer.url)
    try:
        problem = answer.json()
        errors = problem.get("errors") or []
        text = plain(problem.get("detail") or problem["title"], most=1000)
        fields = [(str(e["field"]), plain(e["detail"], most=1000)) for e in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        if answer.status_code >= 500:
            return f"{host} answered {answer.status_code} {plain(answer.reason, most=80)}"
        return f"{host} answered {answer.status_code}, and not as Tocsin does. Is the URL right?"
    if not fields:
        return text
    lines = [f"{_place(field)}: {detail}" if field else detail for field, detail in fields]
    if len(lines) == 1:
        return lines[0]
    return "\n  ".join([f"refused, {len(lines)} problems:", *lines])


def explain_warning(warning: object) -> str:
    """Return a warning that begins with a field's path, as its problems are told."""
    text = plain(warning)
    field, colon, rest = text.partition(": ")
    return f"{_place(field)}: {rest}" if colon and field.startswith("documents[") else text


def _place(field: str) -> str:
    """Return a field's path for people, who count documents from 1."""
    found = re.fullmatch(r"documents\[(\d{1,9})\]\.?(.*)", field, re.DOTALL)
    if found is None:
        return plain(field, most=200)
    return f"document {int(found[1]) + 1}" + (f", {plain(found[2], most=200)}" if found[2] else "")


def reason_of(error: BaseException) -> str:
    """Return why a request failed; never its URL, which may hold a slug."""
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or it does not speak TLS"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror and seen.errno is not None:
            return seen.strerror[0].lower() + seen.strerror[1:]
        seen = seen.__cause__ or seen.__context__
    return (
        "the connection broke"
        if isinstance(error, requests.ConnectionError)
        else "no valid address"
    )
