"""What the documentation shows is applied as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django_scopes import scopes_disabled

from accounts.models import Membership, Team
from manifests.reading.documents import Document, read_yaml
from manifests.reading.kinds import KINDS
from tests.conftest import Api
from tests.manifests.bundles import actions, apply, bundle, export

PAGE = (Path(settings.BASE_DIR) / "docs" / "manifests.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def ann(team: Team) -> None:
    with scopes_disabled():
        member = Membership.objects.filter(team=team).select_related("user").first()
        assert member is not None
        member.user.email = "ann@example.org"
        member.user.save()


@pytest.mark.usefixtures("ann")
def test_every_example_is_applied_alone_and_then_unchanged(api: Api) -> None:
    for example in EXAMPLES:
        assert set(actions(apply(api, example)).values()) <= {"created", "updated"}
        assert set(actions(apply(api, example)).values()) == {"unchanged"}
    assert set(actions(apply(api, export(api))).values()) == {"unchanged"}


def test_there_is_an_example_of_every_kind() -> None:
    shown = {(each.value["apiVersion"], each.value["kind"]) for each in _documents()}
    assert shown == {(kind.api_version, kind.name) for kind in KINDS}


@pytest.mark.usefixtures("ann")
def test_the_examples_hold_together(api: Api) -> None:
    found = actions(apply(api, bundle(*EXAMPLES)))
    assert len(found) == len(_documents()) + 1  # a set is its two monitors


def _documents() -> list[Document]:
    return [each for example in EXAMPLES for each in read_yaml(example.encode())]
