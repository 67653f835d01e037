"""What `make check` would find: planted secrets, versions that are known to be bad, licences."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from checks.dependencies import FOLDER, judge_licence, judge_lock
from checks.secrets import files_of, find_secrets

# Put together here, so that this file holds none of them.
PLANTED = {
    "AWS Access Key": "AKIA" + "Z7QX2M5NWPLR4TVB",
    "Private Key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "Tocsin credential": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "GitHub Token": "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5",
    "Slack Token": "xoxb-" + "123456789012-123456789012-aB3dE5fG7hJ9kL1mN3pQ5rS7",
    "Basic Auth Credentials": "postgres://tocsin:" + "Zq8RtPw3" + "@db.example.org/tocsin",
    "Base64 High Entropy String": '"' + "q7Zk2LmX9vB4" + "nR8tY1cW6pH3" + "sD5fG0jK+aE/uI" + '"',
}
KEY = "tk_" + "Ab3dEf7h" + "_" + "x9Kq2mLw8Rt5vB1nZc4yPs7d"


def commit(folder: Path, **files: str) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_found_with_its_line(tmp_path, kind):
    commit(tmp_path, notes=f"# nothing\n\nvalue = {PLANTED[kind]}\n")
    found = find_secrets(tmp_path, files_of(tmp_path))
    assert ("notes", kind, 3) in {(name, what, line) for (name, what, _), line in found.items()}


def test_our_own_keys_are_known_and_words_are_none(tmp_path):
    commit(tmp_path, key=f"export KEY={KEY}\n", words="whsec_… and tk_12345678 and whsec_short\n")
    found = find_secrets(tmp_path, files_of(tmp_path))
    assert [(name, kind) for name, kind, _ in found] == [("key", "Tocsin credential")]


def test_what_is_ignored_is_left_out_and_what_is_new_is_not(tmp_path):
    commit(tmp_path, **{".gitignore": "var\n", "kept": "x"})
    (tmp_path / "var").write_text(KEY)
    (tmp_path / "new").write_text(KEY)
    assert files_of(tmp_path) == [".gitignore", "kept", "new"]


HASH = "--hash=sha256:" + "0" * 64
KNOWN = {
    "advisory": [
        {"package": "Django", "affected": ">=5,<5.2.8", "id": "CVE-1", "about": "injection"},
        {"package": "pyjwt", "affected": "*", "id": "CVE-2", "about": "x", "decision": "no keys"},
    ]
}


@pytest.mark.parametrize(
    ("lock", "wrong"),
    [
        (f"django==5.2.19 \\\n    {HASH}\n", []),
        (f"django==5.2.7 \\\n    {HASH}\n", ["django 5.2.7: CVE-1: injection"]),
        (f"pyjwt==2.15.1 {HASH}\n", []),
        ("django==5.2.19\n", ["django: has no hash"]),
        (f"django>=5 {HASH}\n", ["django: not locked to one version"]),
        (f"django==5.* {HASH}\n", ["django: not locked to one version"]),
    ],
)
def test_a_lock_is_judged_by_pins_hashes_and_what_is_known(lock, wrong):
    assert list(judge_lock(lock, KNOWN)) == wrong


def test_every_advisory_says_what_it_is_about():
    known = tomllib.loads((FOLDER / "advisories.toml").read_text())
    for advisory in known["advisory"]:
        assert set(advisory) - {"decision"} == {"package", "affected", "id", "about"}
        assert advisory["id"].startswith(("CVE-", "GHSA-", "PYSEC-"))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("MIT", True),
        ("MIT-0", True),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("GPL-3.0-or-later", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND AGPL-3.0-only", False),
        ("GNU AGPL", False),
        ("LGPL-3.0-only", True),
        ("", False),
        ("PERMITTED", False),
    ],
)
def test_a_licence_is_taken_by_the_way_that_is_allowed(text, allowed):
    rules = tomllib.loads((FOLDER / "advisories.toml").read_text())["licences"]
    assert judge_licence(text, rules["allowed"]) is allowed
