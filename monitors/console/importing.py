"""Importing monitors from a CSV file: a look at what it would do, then the thing itself."""

from __future__ import annotations

import csv
import io
from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import render_page, team_page
from accounts.models import Scope, Team
from monitors.api.export import safe_cell
from monitors.console.bulk import say_busy
from monitors.console.import_plan import (
    COLUMNS,
    UNCHANGED,
    UPDATED,
    Made,
    Plan,
    apply_import,
    plan_import,
)
from monitors.models import PushKey
from monitors.queries import push_url
from monitors.services import DuplicateName
from monitors.waiting import Busy

MOST_BYTES = 1_000_000  # as its label says
TOKENS_FOR_SECONDS = 600
_EXAMPLE = """\
name,namespace,interval,silent_after,severity,labels
nightly-backup,{slug},1 d,1 d 2 h,critical,env=production;team=storage
queue-depth,{slug},1 min,5 min,warning,env=production
"""


class ImportForm(forms.Form):
    """A file, or the same as text."""

    file = forms.FileField(
        label=gettext_lazy("File"), required=False, help_text=gettext_lazy("UTF-8, up to 1 MB.")
    )
    text = forms.CharField(
        label=gettext_lazy("Or paste it here"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 8, "spellcheck": "false", "class": "import-text", "wrap": "off"}
        ),
    )

    def clean_file(self) -> str:
        """Return the text of the file."""
        file: UploadedFile[Any] | None = self.cleaned_data["file"]
        if file is None:
            return ""
        if file.size is None or file.size > MOST_BYTES:
            raise forms.ValidationError(_("The file is too large: at most 1 MB."))
        try:
            text: str = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError(_("The file is not UTF-8. Save it as UTF-8.")) from None
        return text

    def clean(self) -> dict[str, Any]:
        """Refuse nothing at all."""
        data = super().clean() or self.cleaned_data
        if not self.errors and not (data.get("file") or data.get("text", "").strip()):
            raise forms.ValidationError(_("Choose a file, or paste its lines."))
        return data

    @property
    def given(self) -> str:
        """The text to import."""
        return str(self.cleaned_data.get("file") or self.cleaned_data.get("text") or "")


@team_page(Scope.WRITE)
def import_csv(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for a file, show what it would do, and do it once that was seen."""
    form = ImportForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {
        "form": form,
        "columns": COLUMNS,
        "example": _EXAMPLE.format(slug=access.team.slug),
        "section": "monitors",
    }
    if request.method == "POST" and form.is_valid():
        try:
            plan = plan_import(team=access.team, text=form.given)
            if plan.is_good and request.POST.get("seen") == plan.digest:
                made = apply_import(team=access.team, plan=plan)
                if plan.is_good:
                    return _show_made(request, access, plan, made)
        except (Busy, DuplicateName):
            form.add_error(None, say_busy())
            return render_page(request, access, "monitors/import.html", context)
        # What was seen means something else by now, or was not seen yet.
        context |= {"plan": plan, "text": form.given, "is_anew": "seen" in request.POST}
        return render_page(request, access, "monitors/import_plan.html", context)
    return render_page(request, access, "monitors/import.html", context)


def _show_made(request: HttpRequest, access: Access, plan: Plan, made: list[Made]) -> HttpResponse:
    keys = PushKey.objects.filter(monitor__in=[each.monitor for each in made], is_current=True)
    slugs = dict(keys.values_list("monitor_id", "value"))
    rows = [
        [each.monitor.namespace.name, each.monitor.name, slugs[each.monitor.pk], each.token]
        for each in made
    ]
    context = {
        "plan": plan,
        "made": made,
        "updated_count": plan.count(UPDATED),
        "unchanged_count": plan.count(UNCHANGED),
        "sealed": _signer(access.team).sign_object(rows, compress=True) if rows else "",
        "section": "monitors",
    }
    response = render_page(request, access, "monitors/imported.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@team_page(Scope.WRITE)
def download_tokens(request: HttpRequest, access: Access) -> HttpResponse:
    """Give the push URLs and tokens of an import that was just made as a file.

    The tokens are not stored: they come back from the one page that was made with them.
    """
    try:
        rows = _signer(access.team).unsign_object(
            request.POST.get("made", ""), max_age=TOKENS_FOR_SECONDS
        )
    except signing.BadSignature:
        messages.error(
            request, _("The tokens can no longer be downloaded. Give a monitor a new one instead.")
        )
        return redirect("console:monitors", team=access.team.slug)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["namespace", "name", "push_url", "token"])
    for namespace, name, slug, token in rows:
        writer.writerow([safe_cell(cell) for cell in (namespace, name, push_url(slug), token)])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{access.team.slug}-push-urls.csv"'
    response["Cache-Control"] = "no-store"
    return response


def _signer(team: Team) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"monitors.import.{team.pk}")
