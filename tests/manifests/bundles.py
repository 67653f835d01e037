"""Documents that tests apply, and how they apply them."""

from __future__ import annotations

from typing import Any

from tests.conftest import Api

YAML = "application/yaml"


def apply(api: Api, text: str, query: str = "", expect: int = 200) -> Any:
    """Return the answer to an apply."""
    answer = api("POST", f"apply{query}", text.encode(), expect=expect, content_type=YAML)
    return answer.json()


def actions(answer: Any) -> dict[str, str]:
    """Return what became of each thing, by kind and name."""
    return {f"{each['kind']} {each['name']}": each["action"] for each in answer["results"]}


def refused(api: Api, text: str, query: str = "") -> dict[str, str]:
    """Return the problems of an apply that is refused: each field with its code."""
    answer = apply(api, text, query, expect=400)
    return {each["field"]: each["code"] for each in answer["errors"]}


def export(api: Api, query: str = "") -> str:
    """Return the export as text."""
    text: str = api("GET", f"export{query}", expect=200).content.decode()
    return text


def secret(name: str, token: str = "tok-0123456789abcdef0123", namespace: str = "acme") -> str:
    return (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"type: Opaque\nstringData:\n  token: {token}\n"
    )


def push_monitor(
    name: str, secret_name: str = "tok", extra: str = "", namespace: str = "acme"
) -> str:
    return f"""\
apiVersion: monitoring.yuptime.io/v1
kind: Monitor
metadata:
  name: {name}
  namespace: {namespace}
spec:
  type: push
  schedule:
    intervalSeconds: 86400
    timeoutSeconds: 10
  target:
    push:
      tokenSecretRef:
        name: {secret_name}
        key: token
      expireSeconds: 90000    # 25 hours
      gracePeriodSeconds: 3600
{extra}"""


ALERTING = """\
  alerting:
    alertmanagerUrl: "http://alertmanager:9093"
    labels:
      severity: warning
"""


def bundle(*documents: str) -> str:
    return "---\n".join(documents)


def document(kind: str, name: str, spec: str) -> str:
    """Return a document of our own kinds."""
    return f"apiVersion: tocsin/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
