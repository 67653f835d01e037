"""Many monitors at once: pause, resume, label, delete. Each leaves a way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.models import Scope
from monitors import undo
from monitors.console.list_page import LATEST_STEP
from monitors.console.listing import Filters, late_monitors, match_monitors
from monitors.ingest.fields import MOST_LABEL_KEY, MOST_LABEL_VALUE
from monitors.models import Monitor, UndoStep
from monitors.queries import database_now

MOST_CHANGED = 5_000
NAMED = 50
VERBS = (undo.PAUSE, undo.RESUME, undo.LABEL, undo.UNLABEL, undo.DELETE)


class Refused(Exception):  # noqa: N818 - it names what happened
    """What was asked for cannot be done; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label that was typed; `value` is None for whatever value."""

    key: str
    value: str | None

    @property
    def text(self) -> str:
        """The label as people write it."""
        return self.key if self.value is None else f"{self.key}={self.value}"


@require_POST
@team_page(Scope.WRITE)
def change_many(request: HttpRequest, access: Access) -> HttpResponse:
    """Do one thing to the monitors that were ticked, or to all that the filters let through."""
    filters = Filters.of(QueryDict(request.POST.get("query", "")))
    try:
        verb = _read_verb(request.POST)
        label = _read_label(verb, request.POST.get("label", ""))
        monitors = _chosen(request.POST, filters)
        if label is not None and verb == undo.UNLABEL and label.value is not None:
            monitors = [each for each in monitors if each.labels.get(label.key) == label.value]
        if verb == undo.DELETE and not request.POST.get("confirmed"):
            return _confirm(request, access, monitors, filters)
        step = undo.change_monitors(
            team=access.team,
            actor=access.actor,
            verb=verb,
            monitors=monitors,
            key=label.key if label else "",
            value=(label.value or "") if label else "",
            say=_say(verb, monitors, label),
        )
    except Refused as refused:
        messages.error(request, str(refused))
    except undo.Interrupted as interrupted:
        explain_interrupted(request, interrupted)
    else:
        if step is None:
            messages.info(request, _nothing(verb))
        else:
            offer_undo(request, step)
    return back_to_list(access, filters, page=request.POST.get("page", ""))


def explain_interrupted(request: HttpRequest, error: undo.Interrupted) -> None:
    """Say that not everything was changed; what was can be undone and says its own number."""
    if error.step is None:
        messages.error(request, say_busy())
        return
    offer_undo(request, error.step)
    messages.error(
        request,
        _(
            "Not all of the monitors that you chose were changed: somebody else is changing some "
            "of them just now. Try again for the rest."
        ),
    )


def say_busy() -> str:
    """Return what says that one must try again, since somebody else was at it."""
    return _("Nothing was changed: somebody else changed the same monitors just now. Try again.")


def offer_undo(request: HttpRequest, step: UndoStep) -> None:
    """Let the next look at the list say what was done, beside a button that takes it back."""
    request.session[LATEST_STEP] = str(step.pk)


def back_to_list(access: Access, filters: Filters, *, page: str = "") -> HttpResponse:
    """Return to the list as it was looked at."""
    query = QueryDict(filters.query, mutable=True)
    if page.isascii() and page.isdecimal() and len(page) < 6 and page != "1":
        query["page"] = page
    address = reverse("console:monitors", kwargs={"team": access.team.slug})
    return redirect(f"{address}?{query.urlencode()}" if query else address)


def _read_verb(post: QueryDict) -> str:
    verb = post.get("action", "")
    if verb not in VERBS:
        raise Refused(_("Choose what to do with the monitors."))
    return verb


def _chosen(post: QueryDict, filters: Filters) -> list[Monitor]:
    """Return the monitors that were chosen, by id or by the filters. Raises Refused."""
    found = Monitor.objects.order_by("name", "pk").select_related("namespace")
    if post.get("everything"):
        late = late_monitors(now=database_now())
        found = found.filter(pk__in=match_monitors(filters, late=late).values("pk"))
    else:
        texts = [*post.getlist("ids"), *post.get("chosen", "").split()]
        found = found.filter(pk__in=_ids(texts[: MOST_CHANGED + 1]))
    monitors = list(found[: MOST_CHANGED + 1])
    if not monitors:
        raise Refused(_("Tick at least one monitor first."))
    if len(monitors) > MOST_CHANGED:
        text = _("At most %(count)s monitors can be changed at once. Narrow the list down first.")
        raise Refused(text % {"count": f"{MOST_CHANGED:,}"})
    return monitors


def _ids(texts: list[str]) -> set[UUID]:
    found = set()
    for text in texts:
        try:
            found.add(UUID(text))
        except ValueError:
            continue  # as missing as a monitor that is another team's
    return found


def _read_label(verb: str, text: str) -> Label | None:
    """Return the label that was typed, for what needs one. Raises Refused."""
    if verb not in (undo.LABEL, undo.UNLABEL):
        return None
    key, equals, value = (part.strip() for part in text.partition("="))
    if verb == undo.LABEL and not (key and equals):
        raise Refused(_("Label: write it as key=value, for example env=production."))
    if not key:
        raise Refused(_("Label: write the key of the label to remove, or key=value."))
    if "\0" in text or len(text.encode(errors="ignore").decode()) != len(text):
        raise Refused(_("Label: it has a character that cannot be stored."))
    if len(key) > MOST_LABEL_KEY or len(value) > MOST_LABEL_VALUE:
        said = _("Label: at most %(key)s characters for the key and %(value)s for the value.")
        raise Refused(said % {"key": MOST_LABEL_KEY, "value": MOST_LABEL_VALUE})
    return Label(key, value if equals else None)


def _confirm(
    request: HttpRequest, access: Access, monitors: list[Monitor], filters: Filters
) -> HttpResponse:
    context = {
        "monitors": monitors[:NAMED],
        "more": max(0, len(monitors) - NAMED),
        "count": len(monitors),
        # Just those that are named and counted here go, whatever matches by then.
        "chosen": " ".join(each.pk.hex for each in monitors),
        "filters": filters,
        "section": "monitors",
    }
    return render_page(request, access, "monitors/bulk_delete.html", context)


def _say(verb: str, monitors: list[Monitor], label: Label | None) -> Callable[[int], str]:
    """Return what says in words that so many of the monitors were changed."""
    name = monitors[0].name[:80] if len(monitors) == 1 else ""

    def say(count: int) -> str:
        values = {"count": f"{count:,}", "name": name, "label": label.text[:60] if label else ""}
        return (_one(verb) if name else _many(verb, count)) % values

    return say


def _one(verb: str) -> str:
    return {
        undo.PAUSE: _("“%(name)s” is paused: pushes are stored and page nobody."),
        undo.RESUME: _("“%(name)s” is watched again, from now."),
        undo.LABEL: _("“%(name)s” has the label %(label)s."),
        undo.UNLABEL: _("“%(name)s” has the label %(label)s no longer."),
        undo.DELETE: _("“%(name)s” is deleted."),
    }[verb]


def _many(verb: str, count: int) -> str:
    if verb == undo.PAUSE:
        return ngettext(
            "%(count)s monitor is paused: its pushes are stored and page nobody.",
            "%(count)s monitors are paused: their pushes are stored and page nobody.",
            count,
        )
    if verb == undo.RESUME:
        return ngettext(
            "%(count)s monitor is watched again, from now.",
            "%(count)s monitors are watched again, from now.",
            count,
        )
    if verb == undo.LABEL:
        return ngettext(
            "%(count)s monitor has the label %(label)s now.",
            "%(count)s monitors have the label %(label)s now.",
            count,
        )
    if verb == undo.UNLABEL:
        return ngettext(
            "%(count)s monitor has the label %(label)s no longer.",
            "%(count)s monitors have the label %(label)s no longer.",
            count,
        )
    return ngettext("%(count)s monitor is deleted.", "%(count)s monitors are deleted.", count)


def _nothing(verb: str) -> str:
    return {
        undo.PAUSE: _("Nothing was changed: what you chose is paused already."),
        undo.RESUME: _("Nothing was changed: nothing that you chose is paused."),
        undo.LABEL: _(
            "Nothing was changed: what you chose has that label already, or 32 others, which is "
            "as many as a monitor may have."
        ),
        undo.UNLABEL: _("Nothing was changed: nothing that you chose has that label."),
        undo.DELETE: _("Nothing was changed: what you chose is deleted already."),
    }[verb]


def say_deleted(monitor: Monitor) -> Callable[[int], str]:
    """Return what says in words that one monitor was deleted."""
    return _say(undo.DELETE, [monitor], None)
