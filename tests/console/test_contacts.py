"""How a person is reached, in the console: one's own ways, and for admins those of everybody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils.timezone import now
from django_scopes import scopes_disabled

from accounts.models import Membership
from incidents.models import (
    ContactMethod,
    Delivery,
    EscalationPolicy,
    EscalationStep,
    EscalationTarget,
)

PAGE = "/t/acme/on-call/contacts/"
NEW = f"{PAGE}new?kind="


def add_mail(client, address="phone@acme.example", **fields):
    return client.post(
        f"{NEW}email", {"config_to": address, "delay": "2 min", **fields}, follow=True
    ).content.decode()


def methods(user):
    with scopes_disabled():
        return list(ContactMethod.objects.filter(membership__user=user).order_by("position"))


def method_to(address):
    with scopes_disabled():
        return ContactMethod.objects.get(config__to=[address])


def code_for(method):
    with scopes_disabled():
        newest = Delivery.objects.filter(contact_method=method).order_by("-id")[0]
    return newest.payload["code"]


def page_of(client):
    answer = client.get(PAGE)
    assert answer.status_code == 200
    return answer.content.decode()


def lines(page):
    """Return what the page says of each way, as plain text."""
    found = re.findall(r'<p class="way-line">(.*?)</p>', page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", line).strip() for line in found]


def put_on_duty(user):
    with scopes_disabled():
        member = Membership.objects.get(user=user)
        policy = EscalationPolicy.objects.create(team=member.team, name="ladder")
        step = EscalationStep.objects.create(team=member.team, policy=policy, position=0)
        EscalationTarget.objects.create(team=member.team, step=step, position=0, membership=member)


def test_everybody_begins_with_the_accounts_address(browse, people):
    for user in (people.owner, people.member, people.viewer):
        page = page_of(browse(user))
        assert lines(page) == [f"At once: E-mail to {user.email} (Account address)"]
        assert "cannot be reached" not in page.split("<h2>Everybody")[0]


def test_add_prove_and_try_a_way(browse, people):
    client = browse(people.viewer)
    page = add_mail(client, name="work phone")
    assert "A code is on its way" in page
    assert lines(page)[1] == "Not used: E-mail to phone@acme.example (work phone)"
    method = method_to("phone@acme.example")
    address = f"{PAGE}{method.pk}"
    code = code_for(method)
    assert code not in page
    wrong = "111111" if code != "111111" else "222222"
    said = client.post(f"{address}/verify", {"code": wrong}, follow=True).content.decode()
    assert "You have 4 tries left" in said
    said = client.post(f"{address}/test", follow=True).content.decode()
    assert "Verify it first" in said
    spaced = f" {code[:3]} {code[3:]} "
    said = client.post(f"{address}/verify", {"code": spaced}, follow=True).content.decode()
    assert "You are reached there from now on" in said
    assert lines(said)[1] == "After 2 min: E-mail to phone@acme.example (work phone)"
    said = client.post(f"{address}/test", follow=True).content.decode()
    assert "A test is on its way" in said
    with scopes_disabled():
        assert Delivery.objects.filter(contact_method=method, event="contact.test").count() == 1


def test_a_code_that_does_not_go_out_says_why(owner):
    add_mail(owner)
    assert "has not gone out" not in page_of(owner)
    with scopes_disabled():
        attempt = {"at": "2026-11-22T00:00:00Z", "outcome": "failed", "detail": "no such <user>"}
        Delivery.objects.update(state="failed", attempts=[attempt])
    page = page_of(owner)
    assert "has not gone out" in page
    assert "no such &lt;user&gt;" in page
    with scopes_disabled():
        Delivery.objects.update(state="delivered")
    assert "has not gone out" not in page_of(owner)


def test_a_code_can_be_asked_for_anew(owner, people):
    add_mail(owner)
    method = method_to("phone@acme.example")
    said = owner.post(f"{PAGE}{method.pk}/code", follow=True).content.decode()
    assert "Wait " in said
    with scopes_disabled():
        back = now() - timedelta(minutes=16)
        ContactMethod.objects.filter(pk=method.pk).update(code_sent_at=back)
        Delivery.objects.update(created_at=back)
    page = page_of(owner)
    assert "Send a code" in page
    assert 'name="code"' not in page
    said = owner.post(f"{PAGE}{method.pk}/verify", {"code": "123456"}, follow=True)
    assert b"too old" in said.content
    said = owner.post(f"{PAGE}{method.pk}/code", follow=True).content.decode()
    assert "A code is on its way" in said
    assert 'name="code"' in said


def test_an_address_of_the_account_needs_no_code(owner, people):
    page = add_mail(owner, people.owner.email)
    assert "is used at once" in page
    assert lines(page)[1].startswith("After 2 min: E-mail to owner@")


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("email", {"config_to": ""}, "required"),
        ("email", {"config_to": "nobody"}, "valid email"),
        ("email", {"config_to": "a@b.example, c@d.example"}, "valid email"),
        ("email", {"config_to": "a@b.example", "delay": "soon"}, "Write a duration"),
        ("email", {"config_to": "a@b.example", "delay": "2 days"}, "Choose between"),
        ("webhook", {"config_url": "http://169.254.169.254/"}, "invalid-feedback"),
        ("twilio_sms", {"config_to": "12"}, "country code"),
    ],
)
def test_a_refused_way_says_why(owner, people, kind, fields, words):
    answer = owner.post(f"{NEW}{kind}", fields)
    assert words in answer.content.decode()
    with scopes_disabled():
        assert not ContactMethod.objects.exists()


def test_an_unknown_kind_asks_for_one(owner):
    for kind in ("", "pigeon", "alertmanager"):
        page = owner.get(f"{NEW}{kind}").content.decode()
        assert "?kind=email" in page
        assert "?kind=twilio_sms" in page
        assert "?kind=alertmanager" not in page


def test_every_kind_has_a_form(owner):
    page = owner.get(f"{PAGE}new").content.decode()
    kinds = re.findall(r'\?kind=(\w+)"', page)
    assert len(kinds) >= 8
    for kind in kinds:
        form = owner.get(f"{NEW}{kind}")
        assert form.status_code == 200
        assert b"config_" in form.content, kind


def test_a_webhooks_secret_is_shown_once(owner):
    url = "https://hooks.acme.example/in"
    answer = owner.post(f"{NEW}webhook", {"config_url": url})
    with scopes_disabled():
        method = ContactMethod.objects.get(kind="webhook")
    assert method.config["secret"] in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    for page in (PAGE, f"{PAGE}{method.pk}/edit"):
        assert method.config["secret"] not in owner.get(page).content.decode()
    owner.post(f"{PAGE}{method.pk}/edit", {"config_url": url + "2", "delay": ""})
    with scopes_disabled():
        changed = ContactMethod.objects.get(kind="webhook")
    assert changed.config == {"url": url + "2", "secret": method.config["secret"]}


def test_ways_move_up_and_down(owner, people):
    page_of(owner)
    add_mail(owner, "b@acme.example")
    add_mail(owner, "c@acme.example")
    last = method_to("c@acme.example")

    def order():
        return [method.config["to"][0][0] for method in methods(people.owner)]

    assert order() == ["o", "b", "c"]
    owner.post(f"{PAGE}{last.pk}/move", {"to": "up"})
    assert order() == ["o", "c", "b"]
    owner.post(f"{PAGE}{last.pk}/move", {"to": "up"})
    owner.post(f"{PAGE}{last.pk}/move", {"to": "up"})
    assert order() == ["c", "o", "b"]
    owner.post(f"{PAGE}{last.pk}/move", {"to": "down"})
    owner.post(f"{PAGE}{last.pk}/move", {"to": "sideways"})
    assert order() == ["o", "c", "b"]


def test_another_address_is_proved_anew(owner, people):
    page_of(owner)
    [method] = methods(people.owner)
    address = f"{PAGE}{method.pk}/edit"
    assert people.owner.email in owner.get(address).content.decode()
    same = {"config_to": people.owner.email, "delay": "0", "name": "mine"}
    page = owner.post(address, same, follow=True).content.decode()
    assert "Saved." in page
    assert lines(page) == [f"At once: E-mail to {people.owner.email} (mine)"]
    page = owner.post(address, same | {"config_to": "b@acme.example"}, follow=True)
    assert "A code is on its way" in page.content.decode()
    assert "You cannot be reached" in page.content.decode()
    assert methods(people.owner)[0].verified_at is None


def test_quiet_hours_are_added_and_removed(owner, people):
    page_of(owner)
    [method] = methods(people.owner)
    address = f"{PAGE}{method.pk}/quiet"
    assert "None: everything comes" in owner.get(address).content.decode()
    hours = {"weekdays": ["0", "1"], "start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}
    page = owner.post(address, hours, follow=True).content.decode()
    said = "Mon, Tue 22:00 to 07:00 Europe/Berlin"
    assert said in page
    assert said in page_of(owner)
    assert methods(people.owner)[0].quiet_hours == [
        {"weekdays": [0, 1], "from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}
    ]
    for wrong, words in (
        ({"weekdays": []}, "at least one day"),
        ({"weekdays": ["7"]}, "7 is not one"),
        ({"start": "25:00"}, "Enter a valid time"),
        ({"timezone": "Europe/Atlantis"}, "Choose a zone"),
        ({"timezone": "../etc/passwd"}, "Choose a zone"),
    ):
        assert words in owner.post(address, hours | wrong).content.decode()
    for number in ("5", "-1", "x", "²", "9" * 50):
        owner.post(address, {"remove": number})
    assert len(methods(people.owner)[0].quiet_hours) == 1
    owner.post(address, {"remove": "0"})
    assert methods(people.owner)[0].quiet_hours == []


def test_a_disabled_way_says_why_and_can_be_used_again(owner, people):
    page_of(owner)
    with scopes_disabled():
        ContactMethod.objects.update(disabled_at=now(), disabled_reason="410 gone")
    page = page_of(owner)
    assert "410 gone" in page
    assert lines(page)[0].startswith("Not used: ")
    owner.post(f"{PAGE}{methods(people.owner)[0].pk}/enable")
    assert lines(page_of(owner))[0].startswith("At once: ")


def test_the_last_way_of_somebody_on_duty_stays(owner, people):
    page_of(owner)
    put_on_duty(people.owner)
    [method] = methods(people.owner)
    address = f"{PAGE}{method.pk}"
    assert b"Delete E-mail to" in owner.get(f"{address}/delete").content
    page = owner.post(f"{address}/delete", follow=True).content.decode()
    assert "could be reached in no other way" in page
    page = owner.post(f"{address}/edit", {"config_to": "b@acme.example", "delay": "0"})
    assert "could be reached in no other way" in page.content.decode()
    assert [m.config["to"][0] for m in methods(people.owner)] == [people.owner.email]
    add_mail(owner, people.owner.email)
    owner.post(f"{address}/delete")
    assert [m.pk for m in methods(people.owner)] != [method.pk]


def test_admins_see_who_cannot_be_reached(owner, browse, people):
    put_on_duty(people.member)
    page_of(owner)
    with scopes_disabled():
        ContactMethod.objects.filter(membership__user=people.member).update(verified_at=None)
    row = re.search(r"<td[^>]*>member@acme\.example.*?</tr>", page_of(owner), re.DOTALL)
    assert row
    assert "Cannot be reached" in row[0]
    assert "Yes" in row[0]
    for user in (people.member, people.viewer):
        page = page_of(browse(user))
        assert "Everybody" not in page
        assert people.owner.email not in page
    page = page_of(browse(people.member))
    assert "a page to you would go to nobody" in page


def test_the_methods_of_others_are_as_missing_as_any(browse, people):
    for user in (people.owner, people.stranger):
        client = browse(user)
        team = "acme" if user == people.owner else "elsewhere"
        page_of(browse(people.member))
        [method] = methods(people.member)
        for action in ("edit", "quiet", "verify", "code", "test", "move", "enable", "delete"):
            address = f"/t/{team}/on-call/contacts/{method.pk}/{action}"
            assert client.post(address, {"code": "1", "to": "up"}).status_code == 404, action
    assert methods(people.member) == [method]


def test_names_of_others_making_are_inert(owner, people):
    page = add_mail(owner, "x@acme.example", name="<b>\u202egnp")
    assert "<b>\u202e" not in page
    assert "&lt;b&gt;gnp" in page
