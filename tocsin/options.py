"""Settings: an option, the environment, or a file."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from tocsin.client import Server


def read_secret(given: str | None, file: str | None, what: str) -> str | None:
    """Return a secret without the blanks around it. Raises UsageError; never tells its text."""
    if given is None and file is not None:
        try:
            given = Path(file).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise click.UsageError(f"The file of the {what} cannot be read: {reason}.") from None
    if given is None or not given.strip():
        return None
    if not (given.strip().isascii() and given.strip().isprintable()):
        raise click.UsageError(f"The {what} has characters that none has.")
    return given.strip()


def check_url(url: str | None) -> str:
    """Return the installation's address without a slash at its end. Raises UsageError."""
    if not url or not url.strip():
        raise click.UsageError("Say where Tocsin is: set TOCSIN_URL, or give --url.")
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        valid = False
    if not valid:
        raise click.UsageError("TOCSIN_URL must look like https://tocsin.example.org.")
    below = parts.path.partition("/api/")[0]  # given as far as the API, or as a whole push URL
    return f"{parts.scheme}://{parts.netloc}{below.removesuffix('/api').rstrip('/')}"


def secret_options(name: str, what: str) -> list[Callable[[Any], Any]]:
    """Return the two options that give a secret."""
    variable = f"TOCSIN_{name.upper().replace('-', '_')}"
    return [
        click.option(f"--{name}", envvar=variable, show_envvar=True, help=f"The {what}."),
        click.option(
            f"--{name}-file",
            envvar=f"{variable}_FILE",
            show_envvar=True,
            metavar="FILE",
            help=f"A file that holds the {what}: it then stands in no list of processes.",
        ),
    ]


def options(*many: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator for several options, shown in this order."""
    return lambda function: functools.reduce(lambda f, option: option(f), reversed(many), function)


URL_OPTION = click.option(
    "--url", envvar="TOCSIN_URL", show_envvar=True, help="Where Tocsin is, as https://…"
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
REVEAL_OPTION = click.option("--reveal", is_flag=True, help="Show slugs and push URLs too.")
FILE_OPTION = click.option(
    "-f",
    "--file",
    "files",
    type=click.File("rb"),
    required=True,
    multiple=True,
    help="YAML or JSON documents; - for standard input. May be repeated: all are one apply.",
)
PRUNE_OPTION = click.option(
    "--prune",
    is_flag=True,
    help="Delete what an earlier apply created and the files no longer contain.",
)
TARGET_OPTIONS = options(
    URL_OPTION,
    click.option("--namespace", help="Push by name: the monitor's namespace, with --token."),
    click.option("--name", help="Push by name: the monitor's name, with --token."),
    *secret_options("token", "monitor's token"),
)


def needs_server(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name the API, and give the command its `server`."""

    @functools.wraps(function)
    def command(
        url: str | None, api_key: str | None, api_key_file: str | None, **given: Any
    ) -> Any:
        key = read_secret(api_key, api_key_file, "API key")
        address = check_url(url)
        if key is None:
            raise click.UsageError("Give an API key: set TOCSIN_API_KEY or TOCSIN_API_KEY_FILE.")
        return function(server=Server(address, key), **given)

    wrapped: Callable[..., Any] = options(URL_OPTION, *secret_options("api-key", "API key"))(
        command
    )
    return wrapped


def read_labels(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Return labels from k=v. Raises BadParameter."""
    labels = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{text!r} must look like key=value.")
        labels[key] = value
    return labels


LABEL_OPTION = click.option(
    "--label", "labels", multiple=True, callback=read_labels, metavar="K=V", help="May be repeated."
)


class Duration(click.ParamType[float]):
    """Seconds, written as 90, 90s, 15m, 2h or 1d."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the seconds. Raises BadParameter."""
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhd]?)", str(value).strip())
        if found is None or not float(found[1]):
            self.fail(f"{value!r} must look like 90, 90s, 15m, 2h or 1d.", param, ctx)
        return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]
