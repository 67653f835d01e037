"""The manifests application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from accounts.models import Team


class ManifestsConfig(AppConfig):
    """Register the room with Django."""

    name = "manifests"

    def ready(self) -> None:
        """Let routes follow their monitors, and put the documents into a team's export."""
        from accounts.exporting import Document, register_document
        from manifests.kinds import following

        following.connect()
        purpose = "What POST /api/v1/apply takes: it makes the same things again in another team."
        register_document(Document("manifests.yaml", purpose, _write_documents))


def _write_documents(team: Team) -> str:
    # Not above: reading documents brings many packages.
    from manifests.exporting import export_documents, used_secrets
    from manifests.reading.writing import write_yaml

    heading = [f"Needs the Secret {name}" for name in used_secrets(team)]
    return write_yaml(export_documents(team=team), heading=heading)
