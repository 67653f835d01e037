"""What the settings of a page may be."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import idna
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email

from accounts.models import validate_slug
from accounts.zones import zone_names
from statuspages.models import StatusPage
from statuspages.models.pages import default_weights
from statuspages.services.errors import BadField

LOCALES = ("en", "de", "fr", "es", "pt", "ja")
# Each for light and dark; what palette() of rendering/colours.py draws with.
COLOURS = tuple(
    prefix + name
    for prefix in ("", "dark_")
    for name in (
        "accent",
        "background",
        "text",
        "up",
        "degraded",
        "partial",
        "major",
        "maintenance",
        "no_data",
    )
)
MOST_DELAY = 86_400
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_HTTP = URLValidator(schemes=["http", "https"])
_TOO_LONG_DOMAIN = 253


def settle_domain(page: StatusPage, value: Any) -> dict[str, Any]:
    """Return the columns that a page's domain changes. Raises BadField.

    Another domain must be proved anew, by another token; the same one stays as it is.
    """
    domain = clean_domain(value) if value else None
    if domain == page.domain:
        return {}
    return {
        "domain": domain,
        "domain_token": secrets.token_urlsafe(32) if domain else "",
        "domain_verified_at": None,
        "domain_checked_at": None,
        "domain_problem": "",
    }


def clean_domain(value: str) -> str:
    """Return a host name in lower-case ASCII (IDNA 2008). Raises BadField."""
    text = value.strip().removesuffix(".").lower()
    if len(text) > _TOO_LONG_DOMAIN:
        raise BadField("domain", f"Must be at most {_TOO_LONG_DOMAIN} characters.")
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        pass
    else:
        raise BadField("domain", "Must be a host name, not an address.")
    try:
        name = idna.encode(text, uts46=True).decode("ascii").lower()
    except UnicodeError as error:
        text = "Must be a host name such as status.example.org."
        raise BadField("domain", text) from error
    labels = name.split(".")
    # All digits in the last label would be read as an address by some clients.
    if len(labels) < 2 or labels[-1].isdigit() or len(name) > _TOO_LONG_DOMAIN:
        raise BadField("domain", "Must be a host name such as status.example.org.")
    if name == (urlsplit(settings.BASE_URL).hostname or "").lower():
        raise BadField("domain", "This is the address of the installation itself.")
    return name


def clean_slug(value: str) -> str:
    """Return the slug. Raises BadField."""
    try:
        validate_slug(value)
    except ValidationError as error:
        raise BadField("slug", " ".join(error.messages)) from error
    return value


def clean_timezone(value: str) -> str:
    """Return the name of a zone. Raises BadField."""
    if value not in zone_names():
        raise BadField("timezone", "This is not a known IANA time zone.")
    return value


def clean_locale(value: str) -> str:
    """Return the language. Raises BadField."""
    if value not in LOCALES:
        raise BadField("locale", f"Must be one of: {', '.join(LOCALES)}.")
    return value


def clean_support_url(value: str) -> str:
    """Return where visitors may ask: an http(s) or mailto address, or "". Raises BadField."""
    if not value:
        return ""
    try:
        if value.lower().startswith("mailto:"):
            validate_email(value[len("mailto:") :])
        else:
            _HTTP(value)
    except (ValidationError, ValueError) as error:
        text = "Must be an http, https or mailto address."
        raise BadField("support_url", text) from error
    return value


def clean_colours(value: Mapping[str, Any]) -> dict[str, str]:
    """Return the colours that are set; None and "" are the usual ones. Raises BadField."""
    found = {}
    for name, colour in value.items():
        if name not in COLOURS:
            raise BadField("colours", f"Must have no keys but: {', '.join(COLOURS)}.")
        if colour in (None, ""):
            continue
        if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
            raise BadField(f"colours.{name}", "Must be a colour such as #1a7f37.")
        found[name] = colour.lower()
    return found


def clean_weights(value: Mapping[str, Any]) -> dict[str, float]:
    """Return how much outages count, with the usual for what is left out. Raises BadField."""
    found = default_weights()
    for name, weight in value.items():
        if name not in found:
            raise BadField("weights", f"Must have no keys but: {', '.join(found)}.")
        if weight is None:
            continue
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise BadField(f"weights.{name}", "Must be a number from 0 to 1.")
        found[name] = float(weight)
    return found


def clean_delay(value: int) -> int:
    """Return the seconds. Raises BadField."""
    if not 0 <= value <= MOST_DELAY:
        raise BadField("auto_post_delay", f"Must be 0 to {MOST_DELAY} seconds.")
    return value


CLEANERS: Mapping[str, Callable[[Any], Any]] = {
    "slug": clean_slug,
    "timezone": clean_timezone,
    "locale": clean_locale,
    "support_url": clean_support_url,
    "colours": clean_colours,
    "weights": clean_weights,
    "auto_post_delay": clean_delay,
}
