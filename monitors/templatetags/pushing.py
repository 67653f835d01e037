"""How to push to a monitor, as a page shows it: one way at a time, chosen by the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template

from monitors.console.snippets import BY_NAME, BY_SLUG, WAYS, Snippet, named_url, write_snippets
from monitors.queries import push_url

register = template.Library()


@dataclass(frozen=True, slots=True)
class Pushing:
    """The addresses of a monitor and the lines of one way, or of all where a token is shown."""

    push_url: str
    named_url: str
    by: str
    way: str
    ways: tuple[tuple[str, Any], ...]
    chosen: list[Snippet]
    everything: list[tuple[str, list[Snippet]]]


@register.simple_tag(takes_context=True)
def push_ways(context: dict[str, Any]) -> Pushing:
    """Return how to push to the page's monitor: `push` and `by` of the address choose.

    A page that shows a token once cannot be asked for again with another choice: it has all.
    """
    monitor, token = context["monitor"], context.get("token")
    query = context["request"].GET
    by = BY_NAME if query.get("by") == BY_NAME else BY_SLUG
    way = query.get("push", "")
    way = way if way in dict(WAYS) else WAYS[0][0]
    slug = monitor.slug
    chosen = [] if token else write_snippets(monitor, slug, token=None, by=by, only=[way])
    everything = [
        (each, write_snippets(monitor, slug, token=token, by=each)) for each in (BY_SLUG, BY_NAME)
    ]
    return Pushing(
        push_url=push_url(slug),
        named_url=named_url(monitor),
        by=by,
        way=way,
        ways=WAYS,
        chosen=chosen,
        everything=everything if token else [],
    )
