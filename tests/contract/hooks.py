"""What schemathesis has to be told before it can read our answers."""

from __future__ import annotations

from typing import Any

import schemathesis
import yaml
from schemathesis.core.media_types import YAML_MEDIA_TYPES


@schemathesis.deserializer(*YAML_MEDIA_TYPES)
def read_documents(context: Any, response: Any) -> list[Any]:
    """Return the documents of an export; schemathesis itself reads one document and no more."""
    return list(yaml.safe_load_all(response.content))
