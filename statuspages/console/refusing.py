"""What services refuse, said at the field of a form that it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django import forms

from statuspages.models import Post, PostTemplate, PostUpdate, StatusPage, Subscriber
from statuspages.services import posts
from statuspages.services.errors import BadField, ComponentGone, DuplicateName, MonitorGone

T = TypeVar("T")
_GONE = "Something was deleted meanwhile. Look again at what is chosen."
_TEXTS: dict[type[Exception], str] = {
    ComponentGone: "A component was just deleted. Look again at what is affected.",
    MonitorGone: "A monitor was just deleted. Try again.",
    posts.TooManyUpdates: "This post has as many updates as a post can have.",
    posts.OnlyUpdate: "This is the only update. Delete the post instead.",
    posts.NotMaintenance: "Only maintenance that is not over can be cancelled.",
    posts.WindowAnnounces: "A maintenance window announces itself by this post. Delete the "
    "window, take the page out of it, or cancel this post.",
    StatusPage.DoesNotExist: _GONE,
    Post.DoesNotExist: _GONE,
    PostUpdate.DoesNotExist: _GONE,
    PostTemplate.DoesNotExist: _GONE,
    Subscriber.DoesNotExist: _GONE,
}
REFUSALS: tuple[type[Exception], ...] = (BadField, DuplicateName, *_TEXTS)


def say_refusal(error: Exception) -> str:
    """Return what a service refused as a sentence."""
    if isinstance(error, BadField):
        return error.text
    return _TEXTS.get(type(error), "The page has one of this name. Choose another name.")


def attempt(form: forms.Form, act: Callable[[], T]) -> T | None:
    """Return what the service returns, or None with its refusal at the form's field."""
    try:
        return act()
    except REFUSALS as error:
        field = "name" if isinstance(error, DuplicateName) else getattr(error, "field", None)
        form.add_error(field if field in form.fields else None, say_refusal(error))
    return None
