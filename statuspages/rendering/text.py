"""Text that people wrote, made harmless: no control characters, and Markdown as safe HTML."""

from __future__ import annotations

import html
import re
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from statuspages.view import ComponentView, GroupView, PageView, PostView, UpdateView

# What XML 1.0 forbids, C1 controls, and marks that turn the direction of what follows them.
_HARMFUL = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd"
    "\U00010000-\U0010ffff]"
)
_TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "h4", "h5", "h6"),
}


def clean_text(text: str) -> str:
    """Return the text with line ends as LF, and without what cannot stand in XML or misleads."""
    return _HARMFUL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def clean_line(text: str) -> str:
    """Return the text as one line, cleaned."""
    return " ".join(clean_text(text).replace("\u2028", " ").replace("\u2029", " ").split())


def _clean_component(component: ComponentView) -> ComponentView:
    return replace(
        component,
        name=clean_line(component.name),
        description=clean_line(component.description),
    )


def _clean_group(group: GroupView) -> GroupView:
    return replace(group, name=clean_line(group.name))


def _clean_update(update: UpdateView) -> UpdateView:
    affected = tuple(
        {key: clean_line(value) if isinstance(value, str) else value for key, value in row.items()}
        for row in update.affected
    )
    return replace(update, body=clean_text(update.body), affected=affected)


def _clean_post(post: PostView) -> PostView:
    updates = tuple(_clean_update(update) for update in post.updates)
    return replace(post, title=clean_line(post.title), updates=updates)


def clean_view(view: PageView) -> PageView:
    """Return the view with every text cleaned; representations are made from nothing else."""
    return replace(
        view,
        name=clean_line(view.name),
        description=clean_line(view.description),
        support_url=safe_link(view.support_url),
        groups=tuple(_clean_group(group) for group in view.groups),
        components=tuple(_clean_component(component) for component in view.components),
        posts=tuple(_clean_post(post) for post in view.posts),
        maintenances=tuple(_clean_post(post) for post in view.maintenances),
    )


def safe_link(url: str) -> str:
    """Return the address if it is http, https or mailto; empty otherwise."""
    url = clean_line(url)
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        return ""
    return url if scheme in {"http", "https", "mailto"} else ""


class _Renderer(RendererHTML):
    """Pictures become links: a page that shows others' pictures tells others of its visitors."""

    def image(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: Any,
        env: MutableMapping[str, Any],
    ) -> str:
        token = tokens[idx]
        address = str(token.attrs.get("src", ""))
        words = self.renderInlineAsText(token.children or [], options, env) or address
        if not address.startswith("https://"):
            return html.escape(words)
        return f'<a href="{html.escape(address)}">{html.escape(words)}</a>'

    def heading_open(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: Any,
        env: MutableMapping[str, Any],
    ) -> str:
        return f"<{_heading(tokens[idx])}>"

    def heading_close(
        self,
        tokens: Sequence[Token],
        idx: int,
        options: Any,
        env: MutableMapping[str, Any],
    ) -> str:
        return f"</{_heading(tokens[idx])}>"


def _heading(token: Token) -> str:
    # Below the title of its post, which is an h3.
    return f"h{min(6, 3 + int(token.tag[1:]))}"


_MARKDOWN = MarkdownIt(
    "commonmark",
    {"html": False, "breaks": True, "linkify": False, "maxNesting": 20},
    renderer_cls=_Renderer,
).enable(["table", "strikethrough"])


def render_markdown(source: str) -> str:
    """Return Markdown as HTML that can do nothing: no scripts, pictures, styles or odd links."""
    return nh3.clean(
        _MARKDOWN.render(clean_text(source)),
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )


def plain_text(source: str) -> str:
    """Return Markdown as words alone, a line for each block."""
    rendered = re.sub(
        r"(</(?:p|li|h\d|tr|pre|blockquote)>|<br>)\s*", r"\1\n", _MARKDOWN.render(source)
    )
    return html.unescape(nh3.clean(rendered, tags=set())).strip()
