from datetime import datetime, timedelta, UTC
import pytest
from django_scopes import scopes_disabled
from accounts.models import Membership, User, Role
from incidents.oncall.rotations import LayerValues, create_rotation
from incidents.oncall.overrides import create_override
from incidents.models import RotationOverride
from tests.browser.test_accessible import findings
pytestmark = pytest.mark.browser
def test_shots(owner, people):
    with scopes_disabled():
        for n in ("Ana Lima","Ben Okafor","Christine Wolf-Ferrari","Dmitri"):
            u = User.objects.create_user(n.split()[0].lower()+"@acme.example", "x", name=n)
            from accounts.teams import verify_address
            if n != "Dmitri": verify_address(u)
            Membership.objects.create(team=people.team, user=u, role=Role.MEMBER)
        m = {x.user.name or x.user.email: x for x in Membership.objects.filter(team=people.team).select_related("user")}
    a,b,c,d = m["Ana Lima"],m["Ben Okafor"],m["Christine Wolf-Ferrari"],m["Dmitri"]
    h=[{"weekdays":[0,1,2,3,4],"from":"09:00","to":"17:00"}]
    now = datetime.now(UTC)
    r1 = create_rotation(team=people.team,name="Storage, first line",timezone="Europe/Berlin",layers=[LayerValues("week",1,datetime(2026,3,2,9),[a,b,c,d]),LayerValues("day",1,datetime(2026,3,2,9),[m["owner@acme.example"]],[{"weekdays":[5,6],"from":"10:00","to":"16:00"}])])
    r2 = create_rotation(team=people.team,name="warehouse-gateway-with-a-rather-long-name-that-has-to-wrap",timezone="Europe/Berlin",layers=[LayerValues("day",1,datetime(2026,3,2,9),[b,c,a])])
    r3 = create_rotation(team=people.team,name="Office hours",timezone="America/New_York",layers=[LayerValues("day",1,datetime(2026,3,2,9),[a,d],h)])
    create_override(rotation=r1,start=now+timedelta(days=1),end=now+timedelta(days=3,hours=5),membership=b,actor="owner@acme.example")
    create_override(rotation=r1,start=now-timedelta(hours=3),end=now+timedelta(hours=3),membership=c,actor="owner@acme.example")
    base="/t/acme/on-call/"
    pages={"overview":base,"rotation":f"{base}rotations/{r1.pk}/","rotation2":f"{base}rotations/{r3.pk}/?month=2027-03","edit":f"{base}rotations/{r1.pk}/edit","delete":f"{base}rotations/{r1.pk}/delete","new":f"{base}rotations/new"}
    import os
    out="/tmp/x3/shots-oncall"; os.makedirs(out, exist_ok=True)
    bad=[]
    for name, address in pages.items():
        owner.goto(address)
        for scheme in ("light","dark"):
            owner.emulate_media(color_scheme=scheme)
            for size,(w,hh) in {"1440":(1440,900),"375":(375,812)}.items():
                owner.set_viewport_size({"width":w,"height":hh})
                sw=owner.evaluate("document.documentElement.scrollWidth")
                if sw>w: bad.append(f"{name} {size} scrolls {sw}")
                bad+= [f"{name} {scheme} {size} {x}" for x in findings(owner)]
                owner.screenshot(path=f"{out}/{name}-{size}-{scheme}.png", full_page=True)
    owner.set_viewport_size({"width":1440,"height":900})
    owner.goto(pages["rotation"])
    owner.evaluate("document.querySelectorAll('form').forEach(f => f.noValidate = true)")
    owner.get_by_role("button", name="Create the override").click()
    owner.locator(".invalid-feedback").first.wait_for()
    bad += findings(owner)
    for w in (1440, 375):
        owner.set_viewport_size({"width":w,"height":900})
        owner.screenshot(path=f"{out}/refused-{w}.png", full_page=True)
    owner.goto(pages["new"])
    owner.evaluate("document.querySelectorAll('form').forEach(f => f.noValidate = true)")
    owner.locator("#layer-0-length").fill("0")
    owner.get_by_role("button", name="Create the rotation").click()
    owner.locator(".invalid-feedback").first.wait_for()
    bad += findings(owner)
    owner.screenshot(path=f"{out}/refused-form.png", full_page=True)
    owner.goto("/t/acme/on-call/?month=2027-03")
    owner.screenshot(path=f"{out}/other-month.png", full_page=True)
    assert bad == [], "\n".join(bad)
