"""The task that has teams erased, as a worker runs it: nobody has opened a scope for it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django_scopes import scopes_disabled
from django_scopes.exceptions import ScopeError

from accounts.erasing import tenant_models
from accounts.models import Team
from incidents import tasks
from monitors.models import Monitor
from statuspages.services.pages import create_page, update_page
from statuspages.serving.exporting import export_all
from statuspages.serving.snapshots import render_stale
from tests.factories import TeamFactory
from tests.full_team import fill_team


def run_task() -> None:
    """Begin, and wait until the thread has ended."""
    tasks.erase_teams()
    for thread in threading.enumerate():
        if thread.name == "erase-teams":
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.django_db(transaction=True)
def test_a_worker_erases_a_team_its_files_and_nobody_elses(settings: Any, tmp_path: Any) -> None:
    settings.PAGES_EXPORT_DIR = str(tmp_path)
    with scopes_disabled():
        acme, rival = (TeamFactory(slug=slug) for slug in ("acme", "rival"))
        fill_team(acme)
        for team in (acme, rival):
            page = create_page(team=team, name=team.name, slug=f"{team.slug}-status")
            update_page(page=page, published=True)
        render_stale()
        export_all()
        assert (tmp_path / "acme-status").is_dir()
        Team.objects.filter(pk=acme.pk).update(delete_at=Now() - timedelta(seconds=1))
    with pytest.raises(ScopeError):
        Monitor.objects.filter(team=acme).exists()
    run_task()
    with scopes_disabled():
        assert [team.slug for team in Team.objects.all()] == ["rival"]
        for model in tenant_models():
            assert not model._base_manager.filter(team_id=acme.pk).exists()
    assert not (tmp_path / "acme-status").exists()
    assert (tmp_path / "rival-status").is_dir()


@pytest.mark.django_db(transaction=True)
def test_after_a_failure_the_next_round_is_not_locked_out(monkeypatch: Any) -> None:
    def fails() -> int:
        raise RuntimeError("the disk is gone")

    with scopes_disabled():
        TeamFactory(slug="acme")
        Team.objects.update(delete_at=Now() - timedelta(seconds=1))
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "erase_due_teams", fails)
        run_task()
    run_task()
    assert not Team.objects.exists()
