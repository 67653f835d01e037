"""What services refuse, as problems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts.api.fields import no_such
from accounts.api.problems import Conflict
from statuspages.services import components, pages, posts
from statuspages.services.errors import BadField, ComponentGone, DuplicateName, MonitorGone
from statuspages.services.pictures import BadPicture

_CONFLICTS: dict[type[Exception], str] = {
    pages.DuplicateSlug: "This slug is taken by another status page.",
    components.TooMany: f"A page has at most {components.MOST_COMPONENTS} components.",
    posts.TooManyUpdates: "This post has as many updates as a post can have.",
    posts.OnlyUpdate: "This is the only update. Delete the post instead.",
    posts.NotMaintenance: "Only maintenance that is not over can be cancelled.",
    posts.WindowAnnounces: "A maintenance window announces itself here. Delete the window, take "
    "the page out of it, or cancel this post.",
}


@contextmanager
def refusals(thing: str = "thing") -> Iterator[None]:
    """Turn what a service refuses into its problem; `thing` is what a name is taken by."""
    try:
        yield
    except BadField as error:
        raise refuse(error.field, error.text) from error
    except DuplicateName as error:
        raise Conflict(f"The page has a {thing} of this name.") from error
    except MonitorGone as error:
        raise ValidationError({"monitors": [no_such("monitor")]}) from error
    except ComponentGone as error:
        raise ValidationError({"components": [no_such("component")]}) from error
    except BadPicture as error:
        raise refuse("picture", str(error)) from error
    except tuple(_CONFLICTS) as error:
        raise Conflict(_CONFLICTS[type(error)]) from error


def refuse(field: str, text: str) -> ValidationError:
    """Return the problem of one field."""
    return ValidationError({field: [ErrorDetail(text, code="invalid")]})
