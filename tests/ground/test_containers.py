"""The files that put an installation into containers say the same as the Procfile."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.installation import PROJECT
from tests.ground.installations import free_port, until

DEPLOY = PROJECT / "deploy"
KUBERNETES = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]


def programs() -> dict[str, list[str]]:
    """Return the words of each program's command, without a worker's name and its role."""
    found = {}
    for line in (PROJECT / "Procfile").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, command = line.partition(":")
            words = shlex.split(re.sub(r"env TOCSIN_ROLE=\S+ | -n \S+", " ", command))
            found[name] = words
    return found


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def graceful_seconds() -> int:
    """Return how long gunicorn gives its requests."""
    [line] = re.findall(
        r"^graceful_timeout = (\d+)", (PROJECT / "config/gunicorn.py").read_text(), re.MULTILINE
    )
    return int(line)


def documents(kind: str) -> dict[str, Any]:
    return {each["metadata"]["name"]: each for each in KUBERNETES if each.get("kind") == kind}


def pods() -> dict[str, Any]:
    return {
        name: each["spec"]["template"]["spec"]
        for name, each in (documents("Deployment") | documents("Job")).items()
    }


def test_compose_runs_every_program_of_the_procfile():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name, command in programs().items():
        service = services[name]
        assert service["command"] == command, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["tmpfs"] == ["/tmp"], name
        assert seconds(service["stop_grace_period"]) > graceful_seconds(), name
        if name in {"web", "ingest"}:
            assert service["environment"] == {"TOCSIN_ROLE": name}


def test_kubernetes_runs_every_program_of_the_procfile_and_no_other():
    deployments = documents("Deployment")
    assert set(deployments) == set(programs())
    for name, command in programs().items():
        [container] = pods()[name]["containers"]
        assert container["command"] == command, name
        scaler = documents("HorizontalPodAutoscaler").get(name)
        if scaler is None:
            assert deployments[name]["spec"]["replicas"] >= 2, name
        else:  # a number here would undo what the autoscaler found, at every deploy
            assert "replicas" not in deployments[name]["spec"], name
            assert scaler["spec"]["minReplicas"] >= 2, name
        assert deployments[name]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("name", sorted(pods()))
def test_a_pod_has_no_rights_and_writes_nowhere_but_in_tmp(name):
    pod = pods()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["resources"]["limits"]["memory"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert container["envFrom"] == [
        {"configMapRef": {"name": "tocsin"}},
        {"secretRef": {"name": "tocsin"}},
    ]


def test_nothing_secret_is_in_the_files():
    assert "Secret" not in {each.get("kind") for each in KUBERNETES}
    secret = re.compile("SECRET|PASSWORD|TOKEN|_URL")
    data = documents("ConfigMap")["tocsin"]["data"]
    assert [name for name in data if secret.search(name)] == ["BASE_URL"]
    example = (DEPLOY / "compose.env.example").read_text()
    assert "SECRET_KEY=\n" in example
    ignored = (PROJECT / ".gitignore").read_text().splitlines()
    assert {"deploy/compose.env", "deploy/postgres.password"} <= {
        line.strip("/") for line in ignored
    }


def test_a_pod_has_the_time_that_its_program_takes_to_stop():
    for name, pod in pods().items():
        if name not in programs():
            continue
        [container] = pod["containers"]
        stop = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        pause = int(stop[1]) if stop else 0
        assert pod["terminationGracePeriodSeconds"] >= pause + graceful_seconds() + 10, name
        assert bool(stop) == (name in {"web", "ingest"}), name


def test_only_what_listens_can_be_reached_and_nothing_reaches_the_metadata_service():
    policies = documents("NetworkPolicy")
    closed = policies["tocsin-listens-nowhere"]["spec"]
    assert closed["podSelector"] == {"matchLabels": {"app": "tocsin"}}
    assert "ingress" not in closed
    [opened] = policies["tocsin-http"]["spec"]["podSelector"]["matchExpressions"]
    assert set(opened["values"]) == set(documents("Service"))
    for policy in policies.values():
        for rule in policy["spec"].get("ingress", []):
            assert rule.get("from"), f"{policy['metadata']['name']} lets everybody in"
            assert rule.get("ports")
    blocks = policies["tocsin-no-metadata-service"]["spec"]["egress"][0]["to"]
    assert "169.254.0.0/16" in blocks[0]["ipBlock"]["except"]


def test_composes_proxy_is_reached_from_its_own_machine_alone_and_hands_on_no_claims():
    proxy = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["proxy"]
    assert all(port.startswith("127.0.0.1:") for port in proxy["ports"])
    rules = (DEPLOY / "compose.nginx.conf").read_text()
    handed = dict(re.findall(r"proxy_set_header (X-Forwarded-\w+) (\S+);", rules))
    assert handed == {
        "X-Forwarded-Proto": "$tocsin_scheme",
        "X-Forwarded-For": "$remote_addr",
    }
    believed = re.findall(r"set_real_ip_from (\S+);", rules)
    [listed] = re.findall(r"^geo \$realip_remote_addr .*$", rules, re.MULTILINE)
    assert believed == re.findall(r"(\S+/\d+) 1;", listed)


def test_a_deploy_can_pick_the_migration_and_leave_it_out():
    for each in KUBERNETES:
        if each["kind"] != "Kustomization":
            assert each["metadata"]["labels"]["app"] == "tocsin", each["metadata"]
    assert documents("Job")["migrate"]["metadata"]["labels"]["part"] == "migrate"


def test_a_disruption_leaves_one_of_each():
    budgets = documents("PodDisruptionBudget")
    assert set(budgets) == set(programs())
    for name, budget in budgets.items():
        labels = budget["spec"]["selector"]["matchLabels"]
        assert labels == documents("Deployment")[name]["spec"]["template"]["metadata"]["labels"]


def test_ingest_and_web_are_probed_and_scale_apart():
    assert set(documents("HorizontalPodAutoscaler")) == {"ingest", "web"}
    assert set(documents("Service")) == {"ingest", "web"}
    for name in ("ingest", "web"):
        [container] = pods()[name]["containers"]
        assert {"name": "TOCSIN_ROLE", "value": name} in container["env"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] == "/healthz"


def test_pushes_go_to_ingest():
    [rule] = documents("Ingress")["tocsin"]["spec"]["rules"]
    paths = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert paths == {"/api/push/": "ingest", "/api/ping/": "ingest", "/": "web"}


def test_kustomize_names_every_file():
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(
        path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"
    )


def test_the_image_holds_every_room_and_runs_as_nobody():
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    rooms = set(project["tool"]["importlinter"]["root_packages"]) - {"tocsin"}
    copied = {Path(line.split()[1]).name for line in lines if line.startswith("COPY ")}
    assert rooms <= copied
    let_in = (PROJECT / ".dockerignore").read_text().splitlines()
    assert {f"!{room}" for room in rooms} <= set(let_in)
    final = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert any(re.fullmatch(r"USER \d{4,}:\d{4,}", line) for line in final)
    assert any("--require-hashes" in line for line in lines)


# --- what the image runs, without an image --------------------------------------------------

# What a container has: the tree and its Python where anybody can reach them, an empty /tmp, nothing
# else to write to, and a user without a name or rights. The mounts are this namespace's own.
CONTAINED = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
for place in app="$1" python="$2" packages="$3"; do
  mkdir "/mnt/${place%%=*}"
  mount --bind "${place#*=}" "/mnt/${place%%=*}"
  mount -o remount,ro,bind "/mnt/${place%%=*}"
done
mount -o remount,ro,bind /
mount -t tmpfs -o mode=1777 tmpfs /tmp
cd /mnt/app; shift 3
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all "$@"
"""
# Refuses to import what base.txt does not install.
BLOCKER = """
import sys
NAMES = frozenset({names!r})
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"{{name}} is not in base.txt", name=name)
sys.meta_path.insert(0, Blocker())
"""
EVERYTHING = """
import importlib, pkgutil, sys, django
django.setup()
for room in sys.argv[1:]:
    for found in pkgutil.walk_packages([room], f"{room}."):
        if ".migrations" not in found.name and found.name not in LEFT_OUT:
            importlib.import_module(found.name)
print("all imported")
"""
# What is started as a program, or needs what only tests have.
LEFT_OUT = {"config.gunicorn", "config.settings_test"}
MADE_UP = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRET_KEY": "made-up-for-a-test-and-long-enough-to-be-taken-for-one",
    "ALLOWED_HOSTS": "tocsin.example.org",
    "BASE_URL": "https://tocsin.example.org",
}


def locked(name: str) -> set[str]:
    lines = (PROJECT / "requirements" / f"{name}.txt").read_text().splitlines()
    return {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines if "==" in line}


@pytest.fixture
def base_only(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose Python imports nothing that base.txt does not install."""
    extra = locked("dev") - locked("base")
    assert "pytest" in extra
    names = {
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if {re.sub(r"[-_.]+", "-", package).lower() for package in packages} <= extra
    }
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(names=sorted(names)))
    places = [str(tmp_path), str(PROJECT)]
    return {
        "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(places),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **MADE_UP,
    }


def test_the_base_requirements_suffice_for_every_module(base_only):
    rooms = {line.split()[1] for line in dockerfile() if line.startswith("COPY ")}
    rooms = {room for room in rooms if (PROJECT / room / "__init__.py").is_file()}
    done = subprocess.run(
        [sys.executable, "-c", f"LEFT_OUT = {LEFT_OUT}\n{EVERYTHING}", *sorted(rooms)],
        cwd=PROJECT,
        env=base_only,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("all imported\n"), done.stderr[-2000:]


def dockerfile() -> list[str]:
    return (DEPLOY / "Dockerfile").read_text().splitlines()


def contained(command: list[str], environment: dict[str, str]) -> list[str]:
    """Return the command as a container would run it: read-only, /tmp of its own, no rights."""
    place = Path(environment["PYTHONPATH"].split(os.pathsep)[0])
    environment["BLOCKER"] = (place / "sitecustomize.py").read_text()
    environment["PYTHONPATH"] = "/mnt/app:/mnt/packages"
    environment["LD_LIBRARY_PATH"] = "/mnt/python/lib"  # a Python may have been built for a place
    python = "/mnt/python/bin/python{}.{}".format(*sys.version_info)
    places = [str(PROJECT), sys.base_prefix, sysconfig.get_path("purelib")]
    alone = ["unshare", "--mount", "--fork", "/bin/sh", "-c", CONTAINED, "sh"]
    return [*alone, *places, python, "-c", START, python, "-m", *command]


# The blocker's file is under the real /tmp, so it comes along by the environment.
START = """
import os, sys
os.makedirs("/tmp/blocker")
open("/tmp/blocker/sitecustomize.py", "w").write(os.environ.pop("BLOCKER"))
os.environ["PYTHONPATH"] = "/tmp/blocker:" + os.environ["PYTHONPATH"]
try:
    open("written", "w")
except OSError:
    os.execvp(sys.argv[1], sys.argv[1:])
sys.exit("the tree can be written to")
"""


def can_contain() -> bool:
    if os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("unshare"):
        return False
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return tried.returncode == 0


needs_namespaces = pytest.mark.skipif(not can_contain(), reason="needs root and namespaces")


@needs_namespaces
def test_the_images_command_serves_without_rights_and_with_a_read_only_tree(base_only):
    port = free_port()
    environment = base_only | {"TOCSIN_DATA": "/tmp/tocsin", "BIND": f"127.0.0.1:{port}"}
    [line] = [line for line in dockerfile() if line.startswith("CMD ")]
    with subprocess.Popen(
        contained(json.loads(line.removeprefix("CMD ")), environment),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            until(lambda: process.poll() is not None or status(port, "/healthz") == 200, "alive")
            assert process.poll() is None, process.stdout.read().decode()  # type: ignore[union-attr]
            assert status(port, "/readyz") == 503
            assert status(port, "/api/push/abcdefghijkl/results", b'{"status":"pass"}') == 503
            owner = Path(f"/proc/{children(process.pid)[-1]}").stat().st_uid
            assert owner == 10001
        finally:
            for pid in reversed(children(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            process.wait(20)


def children(pid: int) -> list[int]:
    """Return the processes below one, itself first."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").glob("*/children"):
                found += map(int, task.read_text().split())
    return found


def status(port: int, path: str, body: bytes | None = None) -> int:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
