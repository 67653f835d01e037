"""Paths about status pages: the list, the editor, and what `posts_urls` adds."""

from __future__ import annotations

from django.urls import URLPattern, path

from statuspages.console import components, domain, pages, pictures, posts_urls, preview, settings

_ALL = "t/<slug:team>/status-pages"
_ONE = f"{_ALL}/<uuid:pk>"
_COMPONENT = f"{_ONE}/components/<uuid:component>"
_GROUP = f"{_ONE}/groups/<uuid:group>"

urlpatterns: list[URLPattern] = [
    path(f"{_ALL}/", pages.list_pages, name="status_pages"),
    path(f"{_ALL}/new", pages.create, name="status_page_new"),
    path(f"{_ONE}/", components.show_components, name="status_page"),
    path(f"{_ONE}/components/new", components.create, name="status_page_component_new"),
    path(f"{_COMPONENT}/edit", components.edit, name="status_page_component"),
    path(f"{_COMPONENT}/move", components.move, name="status_page_component_move"),
    path(f"{_COMPONENT}/delete", components.delete, name="status_page_component_delete"),
    path(f"{_GROUP}/move", components.move_heading, name="status_page_group_move"),
    path(f"{_GROUP}/rename", components.rename_heading, name="status_page_group_rename"),
    path(f"{_ONE}/settings", settings.edit, name="status_page_settings"),
    path(f"{_ONE}/publish", settings.publish, name="status_page_publish"),
    path(f"{_ONE}/domain", domain.edit, name="status_page_domain"),
    path(f"{_ONE}/pictures", pictures.change, name="status_page_pictures"),
    path(f"{_ONE}/pictures/<slug:kind>", pictures.show, name="status_page_picture"),
    path(f"{_ONE}/preview", preview.show_preview, name="status_page_preview"),
    path(f"{_ONE}/delete", pages.delete, name="status_page_delete"),
    *posts_urls.urlpatterns,
]
