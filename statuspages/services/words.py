"""What is written on a page where nobody finds words, in the page's language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_MOST_TITLE = 200
_NAMED = 3


class Words(NamedTuple):
    """The sentences of one language; `{names}` are components."""

    down: str
    partly: str
    joined: str
    more: str
    noticed: str
    acknowledged: str
    resolved: str
    begun: str
    completed: str
    cancelled: str


_WORDS = {
    "en": Words(
        down="{names}: outage",
        partly="{names}: partial outage",
        joined=" and ",
        more="{names} and {count} more",
        noticed="We have noticed a problem with {names} and are looking into it.",
        acknowledged="Somebody is working on it.",
        resolved="The problem is over; {names} is working again.",
        begun="The maintenance has begun.",
        completed="The maintenance is finished.",
        cancelled="This maintenance was cancelled.",
    ),
    "de": Words(
        down="{names}: Ausfall",
        partly="{names}: teilweiser Ausfall",
        joined=" und ",
        more="{names} und {count} weitere",
        noticed="Wir haben eine Störung bei {names} bemerkt und gehen ihr nach.",
        acknowledged="Es wird daran gearbeitet.",
        resolved="Die Störung ist vorbei; {names} arbeitet wieder.",
        begun="Die Wartung hat begonnen.",
        completed="Die Wartung ist abgeschlossen.",
        cancelled="Diese Wartung wurde abgesagt.",
    ),
    "fr": Words(
        down="{names} : panne",
        partly="{names} : panne partielle",
        joined=" et ",
        more="{names} et {count} autres",
        noticed="Nous avons constaté un problème avec {names} et cherchons sa cause.",
        acknowledged="Une personne s’en occupe.",
        resolved="Le problème est terminé ; {names} fonctionne de nouveau.",
        begun="La maintenance a commencé.",
        completed="La maintenance est terminée.",
        cancelled="Cette maintenance a été annulée.",
    ),
    "es": Words(
        down="{names}: interrupción",
        partly="{names}: interrupción parcial",
        joined=" y ",
        more="{names} y {count} más",
        noticed="Hemos detectado un problema con {names} y lo estamos investigando.",
        acknowledged="Alguien está trabajando en ello.",
        resolved="El problema ha terminado; {names} vuelve a funcionar.",
        begun="El mantenimiento ha comenzado.",
        completed="El mantenimiento ha terminado.",
        cancelled="Este mantenimiento se ha cancelado.",
    ),
    "pt": Words(
        down="{names}: interrupção",
        partly="{names}: interrupção parcial",
        joined=" e ",
        more="{names} e mais {count}",
        noticed="Detectamos um problema com {names} e estamos investigando.",
        acknowledged="Alguém está trabalhando nisso.",
        resolved="O problema terminou; {names} voltou a funcionar.",
        begun="A manutenção começou.",
        completed="A manutenção terminou.",
        cancelled="Esta manutenção foi cancelada.",
    ),
    "ja": Words(
        down="{names}: 障害発生",
        partly="{names}: 一部で障害発生",
        joined="、",
        more="{names} ほか{count}件",
        noticed="{names} で問題を検知し、調査しています。",
        acknowledged="担当者が対応しています。",
        resolved="問題は解消し、{names} は復旧しました。",
        begun="メンテナンスを開始しました。",
        completed="メンテナンスが完了しました。",
        cancelled="このメンテナンスは中止になりました。",
    ),
}


def words_of(locale: str) -> Words:
    """Return the sentences in a language; English for one that is not there."""
    return _WORDS.get(locale.split("-")[0], _WORDS["en"])


def names_of(names: Sequence[str], words: Words) -> str:
    """Return components' names as people say them; of many, the first three."""
    if len(names) > _NAMED:
        return words.more.format(names=", ".join(names[:_NAMED]), count=len(names) - _NAMED)
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + words.joined + names[-1]


def title_of(names: Sequence[str], words: Words, *, partly: bool) -> str:
    """Return a post's title: which components are down."""
    said = names_of(names, words)
    return (words.partly if partly else words.down).format(names=said)[:_MOST_TITLE]
