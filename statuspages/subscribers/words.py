"""What mails to subscribers say besides the page's own words, in every language of the pages."""

from __future__ import annotations

from collections.abc import Mapping

from statuspages.rendering.words import Words

_EN = {
    "subject": "[{page}] {status}: {title}",
    "confirm_subject": "Confirm your subscription: {page}",
    "confirm_text": "Somebody, probably you, asked to be told by e-mail of incidents and"
    " maintenance: {page}.",
    "confirm_button": "Confirm the subscription",
    "confirm_note": "The link works for 7 days. If it was not you, ignore this mail: without your"
    " confirmation nothing more is sent.",
    "manage_subject": "Your subscription: {page}",
    "manage_text": "Somebody, probably you, asked for a subscription with this address. There is"
    " one already: {page}.",
    "manage_button": "See the subscription",
    "manage_note": "If it was not you, ignore this mail: nothing has changed.",
    "view": "Read it on the status page",
    "changed": "Components:",
    "why": "You get this because this address is subscribed: {page}.",
    "manage": "Change the subscription",
    "unsubscribe": "Unsubscribe",
    "end_request": "Delete this address",
}
_DE = {
    "subject": "[{page}] {status}: {title}",
    "confirm_subject": "Abonnement bestätigen: {page}",
    "confirm_text": "Jemand, vermutlich Sie, möchte per E-Mail von Störungen und Wartungen"
    " erfahren: {page}.",
    "confirm_button": "Abonnement bestätigen",
    "confirm_note": "Der Link gilt 7 Tage. Waren Sie es nicht, ignorieren Sie diese Mail: Ohne"
    " Ihre Bestätigung wird nichts weiter gesendet.",
    "manage_subject": "Ihr Abonnement: {page}",
    "manage_text": "Jemand, vermutlich Sie, wollte mit dieser Adresse ein Abonnement. Es gibt"
    " schon eines: {page}.",
    "manage_button": "Abonnement ansehen",
    "manage_note": "Waren Sie es nicht, ignorieren Sie diese Mail: Es hat sich nichts geändert.",
    "view": "Auf der Statusseite lesen",
    "changed": "Komponenten:",
    "why": "Sie erhalten dies, weil diese Adresse ein Abonnement hat: {page}.",
    "manage": "Abonnement ändern",
    "unsubscribe": "Abbestellen",
    "end_request": "Diese Adresse löschen",
}
_FR = {
    "subject": "[{page}] {status} : {title}",
    "confirm_subject": "Confirmez votre abonnement : {page}",
    "confirm_text": "Quelqu’un, sans doute vous, a demandé à être informé par e-mail des incidents"
    " et des maintenances : {page}.",
    "confirm_button": "Confirmer l’abonnement",
    "confirm_note": "Le lien est valable 7 jours. Si ce n’était pas vous, ignorez cet e-mail :"
    " sans votre confirmation, rien d’autre ne sera envoyé.",
    "manage_subject": "Votre abonnement : {page}",
    "manage_text": "Quelqu’un, sans doute vous, a demandé un abonnement avec cette adresse. Il y en"
    " a déjà un : {page}.",
    "manage_button": "Voir l’abonnement",
    "manage_note": "Si ce n’était pas vous, ignorez cet e-mail : rien n’a changé.",
    "view": "Lire sur la page d’état",
    "changed": "Composants :",
    "why": "Vous recevez cet e-mail car cette adresse est abonnée : {page}.",
    "manage": "Modifier l’abonnement",
    "unsubscribe": "Se désabonner",
    "end_request": "Supprimer cette adresse",
}
_ES = {
    "subject": "[{page}] {status}: {title}",
    "confirm_subject": "Confirme su suscripción: {page}",
    "confirm_text": "Alguien, probablemente usted, pidió recibir por correo los incidentes y"
    " mantenimientos: {page}.",
    "confirm_button": "Confirmar la suscripción",
    "confirm_note": "El enlace sirve durante 7 días. Si no fue usted, ignore este correo: sin su"
    " confirmación no se enviará nada más.",
    "manage_subject": "Su suscripción: {page}",
    "manage_text": "Alguien, probablemente usted, pidió una suscripción con esta dirección. Ya"
    " existe una: {page}.",
    "manage_button": "Ver la suscripción",
    "manage_note": "Si no fue usted, ignore este correo: nada ha cambiado.",
    "view": "Leer en la página de estado",
    "changed": "Componentes:",
    "why": "Recibe este correo porque esta dirección está suscrita: {page}.",
    "manage": "Cambiar la suscripción",
    "unsubscribe": "Cancelar la suscripción",
    "end_request": "Borrar esta dirección",
}
_PT = {
    "subject": "[{page}] {status}: {title}",
    "confirm_subject": "Confirme a sua subscrição: {page}",
    "confirm_text": "Alguém, provavelmente você, pediu para receber por e-mail incidentes e"
    " manutenções: {page}.",
    "confirm_button": "Confirmar a subscrição",
    "confirm_note": "O link funciona durante 7 dias. Se não foi você, ignore este e-mail: sem a"
    " sua confirmação nada mais é enviado.",
    "manage_subject": "A sua subscrição: {page}",
    "manage_text": "Alguém, provavelmente você, pediu uma subscrição com este endereço. Já existe"
    " uma: {page}.",
    "manage_button": "Ver a subscrição",
    "manage_note": "Se não foi você, ignore este e-mail: nada mudou.",
    "view": "Ler na página de estado",
    "changed": "Componentes:",
    "why": "Recebe este e-mail porque este endereço está subscrito: {page}.",
    "manage": "Alterar a subscrição",
    "unsubscribe": "Cancelar a subscrição",
    "end_request": "Apagar este endereço",
}
_JA = {
    "subject": "[{page}] {status}: {title}",
    "confirm_subject": "購読の確認: {page}",
    "confirm_text": "このメールアドレスで、障害とメンテナンスのお知らせの購読が"
    "申し込まれました: {page}",
    "confirm_button": "購読を確認する",
    "confirm_note": "リンクは7日間有効です。お心当たりがない場合は、このメールを無視してください。"
    "確認がなければ、以後何も送信されません。",
    "manage_subject": "購読について: {page}",
    "manage_text": "このメールアドレスで購読が申し込まれましたが、すでに購読されています: {page}",
    "manage_button": "購読内容を見る",
    "manage_note": "お心当たりがない場合は、このメールを無視してください。何も変更されていません。",
    "view": "ステータスページで読む",
    "changed": "コンポーネント:",
    "why": "このメールアドレスは購読されているため、このメールが送信されました: {page}",
    "manage": "購読内容を変更する",
    "unsubscribe": "購読を解除する",
    "end_request": "このアドレスを削除する",
}

MAIL_WORDS: Mapping[str, Words] = {
    "en": _EN,
    "de": _DE,
    "fr": _FR,
    "es": _ES,
    "pt": _PT,
    "ja": _JA,
}


def mail_words(locale: str) -> Words:
    """Return the words of the language; English for one that is not spoken here."""
    return MAIL_WORDS.get(locale, _EN)
