"""Paths about what people write on a status page, and about who follows it."""

from __future__ import annotations

from django.urls import URLPattern, path

from statuspages.console import maintenance, post_page, posts, subscribers, templates, updates

_PAGE = "t/<slug:team>/status-pages/<uuid:pk>"
_POST = f"{_PAGE}/posts/<uuid:post>"
_UPDATE = f"{_POST}/updates/<uuid:update>"
_TEMPLATE = f"{_PAGE}/templates/<uuid:template>"
_SUBSCRIBER = f"{_PAGE}/subscribers/<uuid:subscriber>"

urlpatterns: list[URLPattern] = [
    path(f"{_PAGE}/posts/", posts.list_posts, name="status_page_posts"),
    path(f"{_PAGE}/posts/new", posts.create, name="status_page_post_new"),
    path(f"{_POST}/", post_page.show, name="status_page_post"),
    path(f"{_POST}/edit", posts.edit, name="status_page_post_edit"),
    path(f"{_POST}/publish", posts.publish, name="status_page_post_publish"),
    path(f"{_POST}/take-over", posts.take, name="status_page_post_take"),
    path(f"{_POST}/delete", posts.delete, name="status_page_post_delete"),
    path(f"{_POST}/cancel", maintenance.cancel, name="status_page_maintenance_cancel"),
    path(f"{_POST}/extend", maintenance.extend, name="status_page_maintenance_extend"),
    path(f"{_POST}/updates/new", updates.add, name="status_page_update_new"),
    path(f"{_UPDATE}/edit", updates.edit, name="status_page_update_edit"),
    path(f"{_UPDATE}/delete", updates.delete, name="status_page_update_delete"),
    path(f"{_PAGE}/maintenance/", maintenance.list_planned, name="status_page_maintenance"),
    path(f"{_PAGE}/maintenance/new", maintenance.create, name="status_page_maintenance_new"),
    path(f"{_PAGE}/templates/", templates.list_templates, name="status_page_templates"),
    path(f"{_PAGE}/templates/new", templates.create, name="status_page_template_new"),
    path(f"{_TEMPLATE}/edit", templates.edit, name="status_page_template_edit"),
    path(f"{_TEMPLATE}/delete", templates.delete, name="status_page_template_delete"),
    path(f"{_PAGE}/subscribers/", subscribers.list_subscribers, name="status_page_subscribers"),
    path(f"{_PAGE}/subscribers/export", subscribers.export, name="status_page_subscriber_export"),
    path(f"{_PAGE}/subscribers/new", subscribers.create, name="status_page_subscriber_new"),
    path(f"{_SUBSCRIBER}/edit", subscribers.edit, name="status_page_subscriber_edit"),
    path(f"{_SUBSCRIBER}/resend", subscribers.resend, name="status_page_subscriber_resend"),
    path(f"{_SUBSCRIBER}/delete", subscribers.delete, name="status_page_subscriber_delete"),
]
