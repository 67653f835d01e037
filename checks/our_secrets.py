"""The forms of this product's own credentials, for detect-secrets."""

from __future__ import annotations

import re

from detect_secrets.plugins.base import RegexBasedDetector


class OurSecretDetector(RegexBasedDetector):
    """API keys (tk_…) and signing secrets of webhooks (whsec_…), as long as real ones are."""

    secret_type = "Tocsin credential"  # noqa: S105 - it names a kind of them
    denylist = (
        re.compile(r"\btk_[0-9A-Za-z]{8}_[0-9A-Za-z]{20,}"),
        re.compile(r"\bwhsec_[0-9A-Za-z+/]{32,}={0,2}"),
    )
