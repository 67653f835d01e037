"""How people can be reached: the row of methods, and proof by a code."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.utils.timezone import now

from accounts.models import Membership, Role, Team
from incidents import contact_methods as methods
from incidents.channels.base import InvalidConfig
from incidents.contacts import usable_methods
from incidents.delivery.pool import deliver_here
from incidents.models import ContactMethod, Delivery, EscalationPolicy, EscalationStep
from incidents.models import EscalationTarget as Target
from incidents.notifications import contacting
from incidents.notifications.contacting import TooSoon, forget_codes, send_code
from tests import racing
from tests.factories import TeamFactory, UserFactory
from tests.providers import Provider


@pytest.fixture
def membership(team: Team) -> Membership:
    user = UserFactory(email="ana@example.org")
    return Membership.objects.create(team=team, user=user, role=Role.MEMBER)


def add(membership: Membership, address: str = "new@example.org", **fields: Any) -> ContactMethod:
    return methods.create_method(
        membership=membership, kind="email", config={"to": [address]}, **fields
    )


def row(membership: Membership) -> list[str]:
    found = list(ContactMethod.objects.filter(membership=membership).order_by("position"))
    assert [method.position for method in found] == list(range(len(found)))
    return [method.config["to"][0].split("@")[0] for method in found]


def queued_code(method: ContactMethod) -> str:
    found = Delivery.objects.filter(contact_method=method, event="contact.code")
    code: str = found.order_by("-created_at")[0].payload["code"]
    return code


def age(method: ContactMethod, **back: float) -> None:
    """Let the method's codes have been sent that long ago."""
    ContactMethod.objects.filter(pk=method.pk).update(code_sent_at=now() - timedelta(**back))
    Delivery.objects.filter(contact_method=method).update(created_at=now() - timedelta(**back))


def put_on_duty(membership: Membership) -> None:
    policy = EscalationPolicy.objects.create(team=membership.team, name="ladder")
    step = EscalationStep.objects.create(team=membership.team, policy=policy, position=0)
    Target.objects.create(team=membership.team, step=step, position=0, membership=membership)


def usable(membership: Membership) -> list[tuple[str, int]]:
    found = usable_methods([membership.pk])[membership.pk]
    return [(method.key, method.delay_seconds) for method in found]


def test_without_a_method_of_ones_own_the_accounts_address_is_one(membership: Membership) -> None:
    assert usable(membership) == [("email:ana@example.org", 0)]
    assert usable(membership) == [("email:ana@example.org", 0)]
    EmailAddress.objects.update(verified=False)
    stranger = UserFactory(email="bo@example.org")
    EmailAddress.objects.filter(user=stranger).update(verified=False)
    other = Membership.objects.create(team=membership.team, user=stranger)
    assert usable(other) == []


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_once_make_one_account_method() -> None:
    membership = Membership.objects.get(team=TeamFactory())
    for found in racing.at_once(*[lambda: usable(membership)] * 4):
        assert len(found) == 1
    assert ContactMethod.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_methods_added_at_once_stand_in_one_row() -> None:
    membership = Membership.objects.get(team=TeamFactory())
    addresses = [f"a{n}@example.org" for n in range(6)]
    racing.at_once(*[lambda a=a: add(membership, a, position=0) for a in addresses])  # type: ignore[misc]
    assert sorted(row(membership)[:6]) == [f"a{n}" for n in range(6)]


def test_a_first_method_of_ones_own_does_not_replace_the_accounts_address(
    membership: Membership,
) -> None:
    add(membership)
    assert row(membership) == ["ana", "new"]
    assert usable(membership) == [("email:ana@example.org", 0)]


def test_positions_are_insertion_indexes(membership: Membership) -> None:
    b = add(membership, "b@example.org")
    c = add(membership, "c@example.org", position=99)
    add(membership, "d@example.org", position=0)
    assert row(membership) == ["d", "ana", "b", "c"]
    methods.update_method(method=c, position=1)
    assert row(membership) == ["d", "c", "ana", "b"]
    methods.update_method(method=b, position=0)
    methods.update_method(method=c, position=50)
    assert row(membership) == ["b", "d", "ana", "c"]
    methods.delete_method(method=b)
    assert row(membership) == ["d", "ana", "c"]


def test_delays_add_up_over_what_can_be_used(membership: Membership) -> None:
    second = add(membership, "second@example.org", delay=60)
    third = add(membership, "third@example.org", delay=120)
    ContactMethod.objects.filter(pk=third.pk).update(verified_at=now())
    assert usable(membership) == [("email:ana@example.org", 0), ("email:third@example.org", 120)]
    ContactMethod.objects.filter(pk=second.pk).update(verified_at=now())
    assert usable(membership)[1:] == [
        ("email:second@example.org", 60),
        ("email:third@example.org", 180),
    ]


def test_an_own_proved_address_needs_no_code(membership: Membership) -> None:
    assert add(membership, "ANA@example.org").verified_at is not None
    assert add(membership, "someone@example.org").verified_at is None
    UserFactory(email="bo@example.org")
    assert add(membership, "bo@example.org").verified_at is None, "another person's"


@pytest.mark.parametrize("to", [["a@example.org", "b@example.org"], [], ["nobody"], None])
def test_a_mail_method_has_one_address(membership: Membership, to: Any) -> None:
    with pytest.raises(InvalidConfig):
        methods.create_method(membership=membership, kind="email", config={"to": to})
    assert not ContactMethod.objects.exists()


def test_a_member_has_not_too_many(membership: Membership) -> None:
    for n in range(methods.MOST_METHODS - 1):
        add(membership, f"a{n}@example.org")
    with pytest.raises(methods.TooManyMethods):
        add(membership)


def test_the_code_that_was_sent_proves_the_method(membership: Membership) -> None:
    method = add(membership)
    send_code(method=method, actor="ana@example.org")
    code = queued_code(method)
    assert len(code) == 6
    assert code.isdecimal()
    method.refresh_from_db()
    assert code.encode() not in bytes(method.code_hash or b"")
    assert methods.check_code(method=method, code=code).verified_at is not None
    assert ("email:new@example.org", 0) in usable(membership)
    delivery = Delivery.objects.get(contact_method=method)
    assert "code" not in delivery.payload
    assert delivery.state == "cancelled", "it was not needed any more"
    with pytest.raises(contacting.AlreadyVerified):
        send_code(method=method, actor="ana@example.org")


def test_five_wrong_codes_make_the_right_one_worthless(membership: Membership) -> None:
    method = add(membership)
    send_code(method=method, actor="x")
    code = queued_code(method)
    wrong = "000000" if code != "000000" else "000001"
    for left in (4, 3, 2, 1):
        with pytest.raises(methods.WrongCode) as refusal:
            methods.check_code(method=method, code=wrong)
        assert refusal.value.tries_left == left
    for last in (wrong, code):
        with pytest.raises(methods.TooManyTries):
            methods.check_code(method=method, code=last)
    age(method, minutes=2)
    send_code(method=method, actor="x")
    assert methods.check_code(method=method, code=queued_code(method)).verified_at


def test_a_code_is_of_its_method_and_for_a_quarter_of_an_hour(membership: Membership) -> None:
    method, other = add(membership), add(membership, "other@example.org")
    with pytest.raises(methods.CodeExpired):
        methods.check_code(method=method, code="123456")
    for each in (method, other):
        send_code(method=each, actor="x")
    if queued_code(other) != queued_code(method):
        with pytest.raises(methods.WrongCode):
            methods.check_code(method=method, code=queued_code(other))
    ContactMethod.objects.update(code_hash=methods.hash_code(method.pk, "123456"))
    with pytest.raises(methods.WrongCode):
        methods.check_code(method=other, code="123456")
    age(method, minutes=15, seconds=1)
    with pytest.raises(methods.CodeExpired):
        methods.check_code(method=method, code="123456")
    age(method, minutes=14, seconds=50)
    assert methods.check_code(method=method, code="123456").verified_at


@pytest.mark.parametrize("code", ["", "½", "\x00", "\ud800", "1" * 10_000])
def test_a_strange_code_is_a_wrong_one(membership: Membership, code: str) -> None:
    method = add(membership)
    send_code(method=method, actor="x")
    with pytest.raises(methods.WrongCode):
        methods.check_code(method=method, code=code)


def test_one_code_a_minute_and_ten_a_day(membership: Membership) -> None:
    method = add(membership)
    for n in range(10):
        first = send_code(method=method, actor="x")
        with pytest.raises(TooSoon) as refusal:
            send_code(method=method, actor="x")
        assert 55 <= refusal.value.seconds <= 60
        age(method, hours=1)
        assert Delivery.objects.filter(pk=first.pk, state="pending").exists(), n
    with pytest.raises(TooSoon) as refusal:
        send_code(method=method, actor="x")
    assert refusal.value.seconds > 22 * 3600
    age(method, hours=25)
    send_code(method=method, actor="x")


def test_making_the_method_anew_gives_no_new_allowance(membership: Membership) -> None:
    method = add(membership)
    send_code(method=method, actor="x")
    methods.delete_method(method=method)
    again = add(membership, "New@example.org")
    with pytest.raises(TooSoon):
        send_code(method=again, actor="x")
    send_code(method=add(membership, "elsewhere@example.org"), actor="x")


def test_a_new_code_replaces_the_one_that_waits(membership: Membership) -> None:
    method = add(membership)
    first = send_code(method=method, actor="x")
    old = queued_code(method)
    age(method, minutes=2)
    second = send_code(method=method, actor="x")
    first.refresh_from_db()
    assert (first.state, "code" in first.payload) == ("cancelled", False)
    assert second.state == "pending"
    if old != queued_code(method):
        with pytest.raises(methods.WrongCode):
            methods.check_code(method=method, code=old)


def test_another_address_must_be_proved_anew(membership: Membership) -> None:
    method = add(membership)
    send_code(method=method, actor="x")
    code = queued_code(method)
    method = methods.check_code(method=method, code=code)
    method = methods.update_method(method=method, name="mine", config={"to": ["new@example.org"]})
    assert method.verified_at, "nothing has changed"
    method = methods.update_method(method=method, config={"to": ["c@example.org"]})
    assert method.verified_at is None
    with pytest.raises(methods.CodeExpired):
        methods.check_code(method=method, code=code)
    send_code(method=method, actor="x")
    code = queued_code(method)
    method = methods.update_method(method=method, config={"to": ["d@example.org"]})
    with pytest.raises(methods.CodeExpired):
        methods.check_code(method=method, code=code)
    method = methods.update_method(method=method, config={"to": ["ana@example.org"]})
    assert method.verified_at


def test_secrets_that_are_not_mentioned_stay(membership: Membership) -> None:
    config = {"url": "https://hooks.example.org/x"}
    method = methods.create_method(membership=membership, kind="webhook", config=config)
    secret = method.config["secret"]
    moved = {"url": "https://hooks.example.org/y"}
    assert methods.update_method(method=method, config=moved).config == moved | {"secret": secret}


def test_who_is_on_duty_keeps_one_usable_method(membership: Membership) -> None:
    assert usable(membership)
    only = ContactMethod.objects.get()
    add(membership)
    put_on_duty(membership)
    with pytest.raises(methods.LastUsable):
        methods.delete_method(method=only)
    with pytest.raises(methods.LastUsable):
        methods.update_method(method=only, config={"to": ["else@example.org"]})
    assert row(membership) == ["ana", "new"]
    ContactMethod.objects.update(verified_at=now())
    methods.delete_method(method=only)
    assert row(membership) == ["new"]


def test_who_is_not_may_delete_all_and_has_the_accounts_address_again(
    membership: Membership,
) -> None:
    assert usable(membership)
    methods.delete_method(method=ContactMethod.objects.get())
    assert not ContactMethod.objects.exists()
    assert usable(membership) == [("email:ana@example.org", 0)]


def test_only_what_is_proved_and_works_is_tested(membership: Membership) -> None:
    method = add(membership)
    with pytest.raises(contacting.NotUsable):
        contacting.test_method(method=method, actor="x")
    ContactMethod.objects.filter(pk=method.pk).update(verified_at=now())
    delivery = contacting.test_method(method=method, actor="ana@example.org")
    assert (delivery.event, delivery.contact) == ("contact.test", "email:new@example.org")
    assert delivery.contact_method_id == method.pk
    assert delivery.incident_id is None
    ContactMethod.objects.filter(pk=method.pk).update(disabled_at=now())
    with pytest.raises(contacting.NotUsable):
        contacting.test_method(method=method, actor="x")


def test_codes_are_forgotten_once_sent_or_old(membership: Membership) -> None:
    sent, old, fresh = (add(membership, f"{name}@example.org") for name in ("a", "b", "c"))
    for method in (sent, old, fresh):
        send_code(method=method, actor="x")
    Delivery.objects.filter(contact_method=sent).update(state="delivered", finished_at=now())
    age(old, minutes=16)
    assert forget_codes() == 2
    assert forget_codes() == 0
    left = {
        delivery.contact: (delivery.state, "code" in delivery.payload)
        for delivery in Delivery.objects.all()
    }
    assert left == {
        "email:a@example.org": ("delivered", False),
        "email:b@example.org": ("cancelled", False),
        "email:c@example.org": ("pending", True),
    }


@pytest.mark.django_db(transaction=True)
def test_a_code_arrives_at_a_webhook_and_a_test_after_it() -> None:
    membership = Membership.objects.get(team=TeamFactory())
    with Provider() as provider:
        method = methods.create_method(
            membership=membership, kind="webhook", config={"url": provider.url}
        )
        send_code(method=method, actor="ana@example.org")
        deliver_here()
        [got] = provider.wait(1)
        assert got.json["type"] == "contact.code"
        assert got.json["data"]["url"].endswith("/on-call/contacts/")
        method = methods.check_code(method=method, code=got.json["data"]["code"])
        delivery = contacting.test_method(method=method, actor="ana@example.org")
        deliver_here()
        assert provider.wait(2)[1].json["type"] == "contact.test"
        assert provider.got[1].headers["webhook-id"] == str(delivery.pk)
    log = Delivery.objects.order_by("id").values_list("event", "state")
    assert list(log) == [("contact.code", "delivered"), ("contact.test", "delivered")]
    assert "code" not in Delivery.objects.get(event="contact.code").payload


@pytest.mark.django_db(transaction=True)
def test_a_code_arrives_by_mail(mailoutbox: list[Any]) -> None:
    method = add(Membership.objects.get(team=TeamFactory()))
    send_code(method=method, actor="ana@example.org")
    code = queued_code(method)
    deliver_here()
    [mail] = mailoutbox
    assert mail.to == ["new@example.org"]
    assert code in mail.subject
    assert code in mail.body
