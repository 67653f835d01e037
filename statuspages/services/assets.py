"""The pictures of a page, which are judged by their bytes and never by their name."""

from __future__ import annotations

import hashlib

from django_scopes import scopes_disabled

from statuspages.models import Asset, StatusPage
from statuspages.models.pages import AssetKind
from statuspages.services.pages import page_url
from statuspages.services.pictures import BadPicture, read_picture
from statuspages.services.versions import changing_page

MOST_BYTES = 2 * 1024 * 1024


def set_asset(*, page: StatusPage, kind: str, content: bytes) -> Asset:
    """Give a page its `logo`, `dark_logo` or `favicon`, in place of the one it has.

    PNG, JPEG, GIF, WebP and ICO of at most 2 MB; no SVG, which can hold scripts. Raises BadPicture.
    """
    if kind not in AssetKind.values:
        raise BadPicture(f"Must be one of: {', '.join(AssetKind.values)}.")
    if len(content) > MOST_BYTES:
        raise BadPicture("Must be at most 2 MB.")
    content_type = read_picture(content)
    with changing_page(page.pk) as found:
        asset, _ = Asset.objects.update_or_create(
            team_id=found.team_id,
            page=found,
            kind=kind,
            defaults={
                "content_type": content_type,
                "sha256": hashlib.sha256(content).hexdigest(),
                "content": content,
            },
        )
    return asset


def delete_asset(*, page: StatusPage, kind: str) -> None:
    """Take a picture away; nothing happens if there is none."""
    with scopes_disabled():
        exists = Asset.objects.filter(page_id=page.pk, kind=kind).exists()
    if exists:
        with changing_page(page.pk):
            Asset.objects.filter(page_id=page.pk, kind=kind).delete()


def asset_path(asset: Asset) -> str:
    """Return where a picture is below its page's root; another picture has another address."""
    return f"assets/{asset.kind}-{asset.sha256[:12]}"


def asset_url(page: StatusPage, asset: Asset) -> str:
    """Return the whole address of a picture."""
    return page_url(page) + asset_path(asset)
