"""The load: 32 connections that push as fast as they are answered, by wrk or by ourselves."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.installation import PROJECT

CONNECTIONS = 32
JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
JSON_BODY = (
    '{"status":"pass","latency_ms":12.5,"message":"ok from worker 17",'
    '"labels":{"region":"eu-west-1","az":"b"}}'
)
FORM_BODY = "status=pass&latency_ms=12.5&message=ok+from+worker+17"

# wrk picks a slug for each request.
LUA = """
local slugs = {%(slugs)s}
math.randomseed(os.time())
wrk.method = 'POST'
wrk.headers['Content-Type'] = '%(type)s'
wrk.body = '%(body)s'
request = function()
  return wrk.format(nil, '/api/push/' .. slugs[math.random(#slugs)] .. '/results')
end
"""


class LoadFailed(Exception):  # noqa: N818 - it names what happened
    """A push was refused or a connection broke, so there is nothing to report."""


@dataclass(frozen=True)
class Load:
    """What the clients saw."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int  # refusals included
    refused: int = 0
    broken: int = 0  # connections that ended without an answer


def generator() -> str:
    """Return what makes the load on this machine."""
    found = shutil.which("wrk")
    if found is None:
        return "built-in (bench/requests.py), slower than wrk: the figures are lower for it"
    said = subprocess.run([found, "-v"], capture_output=True, text=True, check=False)
    return " ".join((said.stdout + said.stderr).split()[:2])


def press(
    url: str,
    slugs: Sequence[str],
    *,
    seconds: float,
    form: bool = False,
    may_refuse: bool = False,
) -> Load:
    """Push to these slugs for so long. Raises LoadFailed.

    With `may_refuse` answers other than 2xx and broken connections are counted instead, where wrk
    makes the load. An answer that takes longer than wrk's two seconds is then no error either.
    """
    body, kind = (FORM_BODY, FORM_TYPE) if form else (JSON_BODY, JSON_TYPE)
    if shutil.which("wrk") is None:
        return _press_ourselves(url, slugs, seconds, body, kind)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        listed = ",".join(f"'{slug}'" for slug in slugs)
        script.write(LUA % {"slugs": listed, "type": kind, "body": body})
        script.flush()
        duration = f"-d{max(1, round(seconds))}s"
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", duration, "--latency", "-s", script.name, url]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    refused = int(_find(r"Non-2xx or 3xx responses: (\d+)", out)[0]) if "Non-2xx" in out else 0
    errors = _find(r"connect (\d+), read (\d+), write (\d+)", out) if "Socket errors" in out else ()
    if not may_refuse and (errors or refused):
        raise LoadFailed(out)
    return Load(
        per_second=float(_find(r"Requests/sec:\s+([\d.]+)", out)[0]),
        p50_ms=_milliseconds(*_find(r"50%\s+([\d.]+)(us|ms|s)", out)),
        p99_ms=_milliseconds(*_find(r"99%\s+([\d.]+)(us|ms|s)", out)),
        answers=int(_find(r"(\d+) requests in", out)[0]),
        refused=refused,
        broken=sum(map(int, errors)),
    )


def _find(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise LoadFailed(text)
    return match.groups()


def _milliseconds(number: str, unit: str) -> float:
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _press_ourselves(url: str, slugs: Sequence[str], seconds: float, body: str, kind: str) -> Load:
    """Let bench.requests do it, in a process of its own as wrk has one."""
    host = url.removeprefix("http://")
    with tempfile.TemporaryDirectory() as place:
        requests = Path(place) / "requests"
        requests.write_text("\n".join(random.sample(list(slugs), len(slugs))))
        command = [sys.executable, "-m", "bench.requests", host, str(requests), body, kind]
        out = subprocess.run(
            [*command, str(seconds), str(CONNECTIONS)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
    if out.returncode:
        raise LoadFailed(out.stderr)
    rate, half, most, answers = out.stdout.split()
    return Load(float(rate), float(half), float(most), int(answers))
