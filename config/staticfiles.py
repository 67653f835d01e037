"""Static files under names that hold a hash of their content, so that browsers keep them for good.

`collectstatic` writes them to STATIC_ROOT: `make up` runs it by itself when a file has changed
(config/collecting.py), an image of a deployment once. A file that was not collected keeps its
plain name, which is served too.
"""

from __future__ import annotations

from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed names where a file was collected, plain ones elsewhere."""

    # Django's list but for source maps, which need not be collected.
    patterns = (
        (
            "*.css",
            (
                r"""(?P<matched>url\(['"]{0,1}\s*(?P<url>.*?)["']{0,1}\))""",
                (
                    r"""(?P<matched>@import\s*["']\s*(?P<url>.*?)["'])""",
                    """@import url("%(url)s")""",
                ),
            ),
        ),
    )

    def stored_name(self, name: str) -> Any:
        """Return the hashed name; the plain one if the file is none of those collected."""
        try:
            return super().stored_name(name)
        except ValueError:
            return name
