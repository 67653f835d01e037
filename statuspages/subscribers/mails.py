"""The mails that subscribers get, in their language.

Anybody can make a page and have a first mail sent to anybody: that mail carries no word of the
page's but its name, and no name that could be taken for a link.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from incidents.channels.base import DELIVERY_HEADER
from incidents.channels.mail import MAX_SUBJECT_CHARACTERS, Mail
from incidents.channels.wording import clean_line, clip_text, web_link
from statuspages.models import StatusPage, SubscriberMessage
from statuspages.models.subscribers import MessageEvent
from statuspages.rendering.text import plain_text, render_markdown
from statuspages.rendering.times import Calendar, zone_of
from statuspages.rendering.words import LOCALES, words_of
from statuspages.subscribers.contents import Told
from statuspages.subscribers.links import confirm_url, manage_url, unsubscribe_url
from statuspages.subscribers.words import mail_words

MOST_NAME = 80
_LIKE_A_LINK = re.compile(r"[/@\\]|[^\W_][.。][^\W\d_]{2}")


def build_mail(message: SubscriberMessage, told: Told | None) -> EmailMultiAlternatives:
    """Return the mail of a message: of an update if `told` is given, else with its link.

    Its id is the same on every attempt.
    """
    if told is None:
        return _build(message, "page_link", _link_context(message), {})
    url = unsubscribe_url(message.subscriber.page, message.subscriber)
    root = f"<post-{told.post.code}@{_host()}>"
    headers = {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Precedence": "bulk",
        # No mail has this id: it is the root that all mails of the post hang from.
        "In-Reply-To": root,
        "References": root,
    }
    return _build(message, "page_update", _update_context(message, told), headers)


def _build(
    message: SubscriberMessage,
    template: str,
    context: Mapping[str, Any],
    headers: Mapping[str, str],
) -> EmailMultiAlternatives:
    subscriber = message.subscriber
    whole = {
        **context,
        "locale": subscriber.locale if subscriber.locale in LOCALES else "en",
        "m": mail_words(subscriber.locale),
        "manage_url": manage_url(subscriber.page, subscriber),
        "unsubscribe_url": unsubscribe_url(subscriber.page, subscriber),
    }
    mail = Mail(
        subject=clip_text(clean_line(context["subject"], 400), MAX_SUBJECT_CHARACTERS),
        body=render_to_string(f"mail/{template}.txt", whole).strip() + "\n",
        from_email=_sender(whole.get("about", "")),
        to=[subscriber.address],
        headers={
            "Message-ID": f"<{message.pk}@{_host()}>",
            DELIVERY_HEADER: str(message.pk),
            "Auto-Submitted": "auto-generated",
            "List-Id": f"<{subscriber.page.code}.status.{_host()}>",
            **headers,
        },
    )
    mail.attach_alternative(render_to_string(f"mail/{template}.html", whole), "text/html")
    return mail


def _sender(name: str) -> str:
    """Return who a mail is from: the page by its name, to those who asked for it."""
    usual: str = settings.DEFAULT_FROM_EMAIL
    name = clip_text(clean_line(name, 400), MOST_NAME)
    # The first mail goes to anybody, so it is in nobody's name but the operator's.
    return str(Address(name, addr_spec=parseaddr(usual)[1])) if name else usual


def _link_context(message: SubscriberMessage) -> dict[str, Any]:
    subscriber = message.subscriber
    words = mail_words(subscriber.locale)
    about = words_of(subscriber.locale)["title"].format(name=mailable_name(subscriber.page))
    confirms = message.event == MessageEvent.CONFIRM
    use = "confirm" if confirms else "manage"
    page = subscriber.page
    return {
        "subject": words[f"{use}_subject"].format(page=about),
        "text": words[f"{use}_text"].format(page=about),
        "button": words[f"{use}_button"],
        "note": words[f"{use}_note"],
        "link": (
            confirm_url(page, subscriber, asked_at=message.created_at)
            if confirms
            else manage_url(page, subscriber)
        ),
        "end": words["end_request" if confirms else "unsubscribe"],
        "confirms": confirms,
    }


def _update_context(message: SubscriberMessage, told: Told) -> dict[str, Any]:
    locale = message.subscriber.locale
    view, post, update = told.view, told.post, told.update
    words, said = mail_words(locale), words_of(locale)
    calendar = Calendar(said, zone_of(view.timezone))
    names = {component.code: component.name for component in view.components}
    status = said.get(update.status, update.status)
    about = said["title"].format(name=view.name)
    planned = post.is_maintenance and post.scheduled_for and post.scheduled_until
    return {
        "subject": words["subject"].format(page=about, status=status, title=post.title),
        "about": about,
        "title": post.title,
        "status": status,
        "at": calendar.moment(update.at),
        "planned": (
            calendar.span(post.scheduled_for, post.scheduled_until)
            if planned and post.scheduled_for and post.scheduled_until
            else ""
        ),
        "body_text": plain_text(update.body),
        "body_html": mark_safe(render_markdown(update.body)),  # noqa: S308 - cleaned by nh3
        "affects": said["affects"],
        "affected": ", ".join(names[code] for code in post.component_codes if code in names),
        "changes": [
            (str(row.get("name", "")), said.get(str(row.get("new_status")), ""))
            for row in update.affected
            if row.get("old_status") != row.get("new_status")
        ],
        "link": web_link(f"{view.url}posts/{post.code}"),
        "why": words["why"].format(page=about),
    }


def mailable_name(page: StatusPage) -> str:
    """Return what a first mail calls a page: its slug where its name is not only a name."""
    name = clean_line(page.name, MOST_NAME)
    # As mail programs see it: a word with a dot and letters behind it is a link to most.
    seen = unicodedata.normalize("NFKC", name)
    return page.slug if not name or _LIKE_A_LINK.search(seen) else name


def _host() -> str:
    return urlsplit(settings.BASE_URL).hostname or "localhost"
