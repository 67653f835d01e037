"""Changing a team's channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django_scopes import scopes_disabled

from accounts.models import Team
from incidents.channels.registry import kind as find_kind
from incidents.models import Channel, EscalationPolicy


class DuplicateName(Exception):  # noqa: N818 - it names what happened
    """The team has a channel of that name."""


class ChannelInUse(Exception):  # noqa: N818
    """Escalation policies page the channel; `policies` are their names."""

    def __init__(self, policies: list[str]) -> None:
        super().__init__(", ".join(policies))
        self.policies = policies


def create_channel(*, team: Team, name: str, kind: str, config: Mapping[str, Any]) -> Channel:
    """Create a channel. Raises KeyError for an unknown kind, InvalidConfig, DuplicateName."""
    cleaned = find_kind(kind).clean(config, allow=settings.OUTBOUND_ALLOW)
    with _changing():
        return Channel.objects.create(team=team, name=name, kind=kind, config=cleaned)


def update_channel(
    *,
    channel: Channel,
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    enable: bool = False,
) -> Channel:
    """Change a channel; a changed configuration, like `enable`, makes a disabled one work again.

    Secrets that `config` does not mention are kept, and one that mentions only secrets changes
    those alone. Raises InvalidConfig, DuplicateName.
    """
    with _changing():
        channel = Channel.objects.select_for_update(no_key=True).get(pk=channel.pk)
        if name is not None:
            channel.name = name
        if config is not None:
            cleaned = _merge(channel, config)
            enable = enable or cleaned != channel.config
            channel.config = cleaned
        if enable:
            channel.disabled_at, channel.disabled_reason = None, ""
        channel.save(update_fields=["name", "config", "disabled_at", "disabled_reason"])
    return channel


def delete_channel(*, channel: Channel) -> None:
    """Delete a channel. What has not gone out fails, which mails the owners; its log stays.

    Raises ChannelInUse: a step that pages it would page nobody, unnoticed.
    """
    with _changing():
        channel = Channel.objects.select_for_update(no_key=True).get(pk=channel.pk)
        policies = EscalationPolicy.objects.filter(steps__targets__channel=channel).distinct()
        if names := list(policies.order_by("name").values_list("name", flat=True)):
            raise ChannelInUse(names)
        channel.delete()


def _merge(channel: Channel, config: Mapping[str, Any]) -> dict[str, Any]:
    kind = find_kind(channel.kind)
    if config and set(config) <= kind.secret_fields:
        merged = {**channel.config, **config}
    else:
        merged = kind.keep_secrets(config, stored=channel.config)
    return kind.clean(merged, allow=settings.OUTBOUND_ALLOW)


@contextmanager
def _changing() -> Iterator[None]:
    try:
        with transaction.atomic(), scopes_disabled():
            yield
    except IntegrityError as error:
        if "channel_name_once" in str(error):
            raise DuplicateName from error
        raise
