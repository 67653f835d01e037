"""SECURITY.md names tests and files that are there."""

from __future__ import annotations

import re

import pytest

from config.installation import PROJECT

TEXT = (PROJECT / "SECURITY.md").read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT)))
NAMED = sorted(set(re.findall(r"`([a-z_]+/[a-z_/.]+\.(?:py|toml))`", TEXT)))


@pytest.mark.parametrize("path", [*LINKS, *NAMED])
def test_what_is_named_is_there(path):
    assert (PROJECT / path).exists()


def test_every_threat_names_a_test_that_holds_some():
    table = TEXT.split("## Threats")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    for threat, control, shown in rows:
        paths = re.findall(r"\]\((tests/[^)]+\.py)\)", shown)
        assert paths, threat
        assert control
        for path in paths:
            assert re.search(r"^\s*(async )?def test_", (PROJECT / path).read_text(), re.MULTILINE)


def test_every_target_that_is_named_exists():
    makefile = (PROJECT / "Makefile").read_text()
    for target in set(re.findall(r"`(?:[A-Z]+=\S+ )?make ([a-z]+)", TEXT)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
