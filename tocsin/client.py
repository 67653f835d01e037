"""Asking the REST API."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tocsin import __version__
from tocsin.problems import Refused, Unreachable, explain, host_of, plain, reason_of
from tocsin.showing import progress

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

USUAL_SECONDS = 60


def send(method: str, url: str, *, bearer: str | None, seconds: float, **sent: Any) -> Response:
    """Return the answer to one request. Raises Unreachable, and Refused for a redirect."""
    import requests

    host = host_of(url)

    def authorise(request: PreparedRequest) -> PreparedRequest:
        # Given even without a credential: otherwise requests would take one from ~/.netrc.
        if bearer:
            request.headers["Authorization"] = f"Bearer {bearer}"
        return request

    headers = {"User-Agent": f"tocsin/{__version__}", **sent.pop("headers", {})}
    try:
        answer = requests.request(
            method,
            url,
            auth=authorise,
            headers=headers,
            timeout=(min(seconds, 10), seconds),
            allow_redirects=False,
            **sent,
        )
    except UnicodeError:
        raise Refused("what was given is not text in UTF-8") from None
    except ValueError as error:  # an address that is none, the server's or a proxy's
        raise Refused(f"cannot reach {host}: {reason_of(error)}") from None
    except requests.RequestException as error:
        raise Unreachable(f"cannot reach {host}: {reason_of(error)}") from None
    except OSError as error:  # a file of certificates that is not there
        raise Refused(f"cannot reach {host}: {plain(error)}") from None
    status = answer.status_code
    if status in (408, 429) or status >= 500:
        wait = answer.headers.get("Retry-After", "")
        seconds_to_wait = float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0
        raise Unreachable(explain(answer), retry_after=seconds_to_wait)
    if 300 <= status < 400:
        to = urlsplit(answer.headers.get("Location", ""))
        where = plain(f"{to.scheme}://{to.netloc.rpartition('@')[2]}") if to.netloc else "elsewhere"
        raise Refused(f"{host} redirects to {where}: set TOCSIN_URL to where the API really is")
    if status >= 400:
        raise Refused(explain(answer))
    return answer


@dataclass(frozen=True)
class Server:
    """The REST API of one installation, with one key."""

    url: str
    key: str

    def ask(self, method: str, path: str, **sent: Any) -> Response:
        """Return the answer to a request below /api/v1/. Raises Refused and Unreachable."""
        seconds = sent.pop("seconds", USUAL_SECONDS)
        url = f"{self.url}/api/v1/{path}"
        return send(method, url, bearer=self.key, seconds=seconds, **sent)

    def read(self, method: str, path: str, **sent: Any) -> Any:
        """Return the JSON of an answer."""
        answer = self.ask(method, path, **sent)
        try:
            return answer.json()
        except ValueError:
            raise Refused(explain(answer)) from None

    def items(
        self, path: str, query: dict[str, Any] | None = None, *, most: int | None = None
    ) -> list[dict[str, Any]]:
        """Return all of a list, or its first `most`, page by page."""
        found: list[dict[str, Any]] = []
        asked = {k: v for k, v in (query or {}).items() if v not in (None, "", [])}
        with progress(f"Reading {path}") as step:
            while True:
                page = self.read("GET", path, params={**asked, "limit": min(most or 1000, 1000)})
                found += page["results"]
                step(f"{len(found)} read")
                if not page["next"] or (most is not None and len(found) >= most):
                    return found[:most]
                # Only the cursor: the key is sent to no other host than the one it was given for.
                asked["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"][0]

    def find(self, path: str, reference: str, **names: str) -> dict[str, Any]:
        """Return the one thing with this id or these names. Raises Refused."""
        with contextlib.suppress(ValueError):
            one: dict[str, Any] = self.read("GET", f"{path}/{uuid.UUID(reference)}")
            return one
        query = names if path == "monitors" else {}
        found = [
            item
            for item in self.items(path, query)
            if all(item[field] == value for field, value in names.items())
        ]
        if len(found) == 1:
            return found[0]
        kind = path.removesuffix("s")
        if not found:
            raise Refused(f"no {kind} is called {plain(reference)}")
        raise Refused(
            f"{len(found)} {path} are called {plain(reference)}: say namespace/name, or the id"
        )

    def monitor(self, reference: str) -> dict[str, Any]:
        """Return the monitor of an id, a name or namespace/name. Raises Refused."""
        namespace, slash, name = reference.partition("/")
        if slash:
            return self.find("monitors", reference, namespace=namespace, name=name)
        return self.find("monitors", reference, name=reference)

    def incident(self, reference: str) -> str:
        """Return the id of an incident: given itself, or by its monitor. Raises Refused."""
        with contextlib.suppress(ValueError):
            return str(uuid.UUID(reference))
        monitor = self.monitor(reference)["id"]
        for state in ("open", "acknowledged"):
            for incident in self.items("incidents", {"monitor": monitor, "state": state}, most=1):
                return str(incident["id"])
        raise Refused(f"{plain(reference)} has no incident that is not resolved")
