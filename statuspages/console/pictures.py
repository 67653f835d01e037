"""The pictures of a page: taking them in, and showing them to members."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.access import Access
from accounts.console.pages import team_page
from accounts.models import Scope
from statuspages.console.frame import find_page
from statuspages.console.settings import render_settings
from statuspages.models import Asset, StatusPage
from statuspages.models.pages import AssetKind
from statuspages.services.assets import MOST_BYTES, delete_asset, set_asset
from statuspages.services.pictures import BadPicture


@require_POST
@team_page(Scope.WRITE)
def change(request: HttpRequest, access: Access, pk: UUID) -> HttpResponse:
    """Take in one `picture` of a `kind`, or take it away (`do` remove)."""
    page = find_page(pk)
    kind = request.POST.get("kind", "")
    if kind not in AssetKind.values:
        raise Http404
    try:
        if request.POST.get("do") == "remove":
            delete_asset(page=page, kind=kind)
            messages.success(request, "The picture is taken away.")
        else:
            set_asset(page=page, kind=kind, content=_read(request.FILES.get("picture")))
            messages.success(request, "The picture is on the page.")
    except BadPicture as error:
        return render_settings(request, access, page, picture_errors={kind: str(error)})
    except StatusPage.DoesNotExist:
        messages.error(request, "This page was deleted in the meantime.")
    address = reverse("console:status_page_settings", kwargs={"team": access.team.slug, "pk": pk})
    return redirect(f"{address}#pictures")


@team_page()
def show(request: HttpRequest, access: Access, pk: UUID, kind: str) -> HttpResponse:
    """Send a picture to a member, of an unpublished page too."""
    asset = Asset.objects.filter(page=find_page(pk), kind=kind).first()
    if asset is None:
        raise Http404
    response = HttpResponse(bytes(asset.content), content_type=asset.content_type)
    response["Cache-Control"] = "private, max-age=3600"  # its address carries its version
    return response


def _read(upload: object) -> bytes:
    if not isinstance(upload, UploadedFile):
        raise BadPicture("Choose a file first.")
    if (upload.size or 0) > MOST_BYTES:
        raise BadPicture("Must be at most 2 MB.")
    return bytes(upload.read())
