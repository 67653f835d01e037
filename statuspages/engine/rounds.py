"""One round of the pages' engine: states, posts, plans. Each part fails alone."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

from accounts.database.standing import unscoped
from statuspages.engine.ageing import renew_pages
from statuspages.engine.automation import write_posts
from statuspages.engine.planned import run_plans
from statuspages.engine.states import refresh_components

log = logging.getLogger(__name__)

# States first: posts are about what is shown, and plans change it, which the next round shows.
STEPS: tuple[Callable[[], object], ...] = (
    refresh_components,
    run_plans,
    write_posts,
    renew_pages,
)


@unscoped
def run_steps(steps: tuple[Callable[[], object], ...] = STEPS) -> None:
    """Run each step; one that fails is logged, and the others run all the same."""
    for step in steps:
        try:
            step()
        except (OperationalError, InterfaceError) as error:
            log.warning("status pages: no database: %s", type(error).__name__)
            connection.close()
        except Exception:
            log.exception("status pages: %s failed", getattr(step, "__name__", step))
