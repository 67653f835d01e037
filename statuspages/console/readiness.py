"""What visitors of a page would miss."""

from __future__ import annotations

from statuspages.models import Component, StatusPage


def list_gaps(page: StatusPage) -> list[str]:
    """Return what is not ready yet, each with what to do; an empty list if all is."""
    gaps = []
    components = Component.objects.filter(page=page)
    if not components.exists():
        gaps.append("It has no components: visitors see an empty page. Add one first.")
    unwatched = components.filter(monitor_links=None, manual_status="").count()
    if unwatched:
        gaps.append(
            "A component has no monitor: it stays operational until you set its state."
            if unwatched == 1
            else f"{unwatched} components have no monitor: they stay operational until you set "
            "their state."
        )
    if page.domain and not page.domain_verified_at:
        gaps.append(f"The domain {page.domain} is not proved yet: the page is not served there.")
    return gaps
