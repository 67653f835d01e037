"""A browser and its system in words, out of what it sends as its name."""

from __future__ import annotations

import re
from typing import Final

from django.utils.translation import gettext as _

# The first that matches: most browsers also claim to be the ones further down.
_BROWSERS: Final = (
    (r"\bEdgA?/|\bEdgiOS/", "Edge"),
    (r"\bOPR/|\bOpera\b", "Opera"),
    (r"\bVivaldi/", "Vivaldi"),
    (r"\bSamsungBrowser/", "Samsung Internet"),
    (r"\bFirefox/|\bFxiOS/", "Firefox"),
    (r"\bHeadlessChrome/|\bChromium/", "Chromium"),
    (r"\bChrome/|\bCriOS/", "Chrome"),
    (r"\bSafari/", "Safari"),
    (r"\bcurl/", "curl"),
)
_SYSTEMS: Final = (
    (r"\biPhone\b", "iPhone"),
    (r"\biPad\b", "iPad"),
    (r"\bAndroid\b", "Android"),
    (r"\bWindows\b", "Windows"),
    (r"\bCrOS\b", "ChromeOS"),
    (r"\bMacintosh\b|\bMac OS X\b", "macOS"),
    (r"\bLinux\b|\bX11\b", "Linux"),
)


def say_device(user_agent: str) -> str:
    """Return the words, such as "Firefox on Linux". They are a hint: anybody may claim them."""
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Unknown browser")


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for pattern, name in known if re.search(pattern, user_agent)), "")
