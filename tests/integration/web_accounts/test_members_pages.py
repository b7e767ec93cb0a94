"""Members and invitations: who may what, and what a link is worth."""

from __future__ import annotations

import re

from oc.store.invitations import LASTS_S
from tests.integration.web_accounts.site import Browser, Site, invite, visit
from tests.integration.web_accounts.test_api_keys_page import create
from tests.web import EMAIL, PASSWORD

BOB = "bob@example.com"
REVOKE = re.compile(r"/settings/members/invitations/([0-9a-f-]{36})/revoke")


async def id_of(site: Site, email: str) -> str:
    person = await site.plane.store.people.by_email(email)
    assert person
    return person.id


def test_who_is_invited_sets_a_password_and_is_a_member() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        link, guest = await invite(admin, f" {BOB.title()} "), await site.visit()
        assert BOB in await guest.page(link)
        assert (await guest.enter(link, 400, name="Bob", password="short")).text.count('value="Bob"') == 1
        await guest.enter(link, name="Bob", password=PASSWORD)
        assert BOB in await guest.page("/settings/account")
        assert BOB in await admin.page("/settings/members")
        another = await site.visit()
        await another.page(link, 404)
        await another.enter(link, 404, name="Eve", password=PASSWORD)

    visit(test)


def test_who_has_an_account_joins_with_its_password_or_session_only() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        bob = await site.member(admin)
        other = await site.join("other", EMAIL, "admin")
        await admin.submit("/settings/account/organization", organization=other)
        link, thief = await invite(admin, BOB), await site.visit()
        await thief.enter(link, 401, name="", password="a password of his own")
        assert "sign out" in (await admin.page(link)).lower()
        assert (await admin.submit(link, 403)).status_code == 403
        assert (await bob.enter(link, 403)).status_code == 403  # without the session's token
        await bob.submit(link)
        assert "Members of other" in await bob.page("/settings/members")

        await admin.submit(f"/settings/members/{await id_of(site, BOB)}/remove")
        again = await invite(admin, BOB)
        await thief.enter(again, password=PASSWORD)
        assert "Members of other" in await thief.page("/settings/members")

    visit(test)


def test_a_member_may_only_look() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        member = await site.member(admin)
        waiting = await invite(admin, "carol@example.com")
        page = await member.page("/settings/members")
        assert EMAIL in page
        assert "carol@example.com" not in page
        assert "<form" not in page.partition("<main")[2]
        [id] = REVOKE.findall(await admin.page("/settings/members"))
        them = await id_of(site, EMAIL)
        for path in ("invite", f"invitations/{id}/revoke", f"{them}/role", f"{them}/remove"):
            await member.submit(f"/settings/members/{path}", 403, email="eve@example.com", role="admin")
        await (await site.visit()).page(waiting)

    visit(test)


def test_a_revoked_or_replaced_or_old_invitation_leads_nowhere() -> None:
    async def test(site: Site) -> None:
        admin, guest = await site.admin(), await site.visit()
        first = await invite(admin, BOB)
        second = await invite(admin, BOB)
        await guest.page(first, 404)
        [id] = REVOKE.findall(await admin.page("/settings/members"))
        await admin.submit(f"/settings/members/invitations/{id}/revoke")
        await guest.page(second, 404)
        await admin.submit(f"/settings/members/invitations/{id}/revoke", 404)
        third = await invite(admin, BOB)
        await site.pass_time("invitations", LASTS_S)
        await guest.page(third, 404)
        await guest.enter(third, 404, name="", password=PASSWORD)

    visit(test)


def test_who_is_removed_is_signed_out_and_their_keys_and_invitations_are_dead() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        other_admin = await site.member(admin, BOB, "admin")
        key = await create(other_admin, "bob's")
        link = await invite(other_admin, "carol@example.com")
        assert (await site.whoami(key)).status_code == 200
        await admin.submit(f"/settings/members/{await id_of(site, BOB)}/remove")
        assert not await other_admin.is_signed_in()
        assert (await site.whoami(key)).status_code == 401
        await (await site.visit()).page(link, 404)
        assert "organization" in (await other_admin.enter("/sign-in", 403, email=BOB, password=PASSWORD)).text

    visit(test)


def test_an_organization_keeps_an_admin() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        own = f"/settings/members/{await id_of(site, EMAIL)}"
        await admin.submit(f"{own}/remove", 409)
        await admin.submit(f"{own}/role", 409, role="member")
        await admin.submit(f"{own}/role", 400, role="owner")
        bob = await site.member(admin)
        await admin.submit(f"/settings/members/{await id_of(site, BOB)}/role", role="admin")
        await bob.submit(f"{own}/role", role="member")
        await admin.submit("/settings/members/invite", 403, email="x@example.com", role="admin")

    visit(test)


def test_nothing_of_another_organization_can_be_changed() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        member = await site.member(admin)
        other = await site.join("other", BOB, "admin")
        await member.submit("/settings/account/organization", organization=other)
        await invite(member, "carol@example.com")
        [id] = REVOKE.findall(await member.page("/settings/members"))
        await site.join("third", EMAIL, "admin")
        await refused_there(admin, id, await id_of(site, "bob@example.com"))

    async def refused_there(admin: Browser, invitation: str, member: str) -> None:
        """The admin looks at an organization that neither the invitation nor the member belongs to."""
        page = await admin.page("/settings/account")
        third = re.findall(r'name="organization" value="([^"]+)"', page)[-1]
        await admin.submit("/settings/account/organization", organization=third)
        await admin.submit(f"/settings/members/invitations/{invitation}/revoke", 404)
        await admin.submit(f"/settings/members/{member}/role", 404, role="admin")
        await admin.submit(f"/settings/members/{member}/remove", 404)

    visit(test)


def test_an_invitation_needs_an_address_and_a_role_and_no_member() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        path = "/settings/members/invite"
        assert 'value="&lt;b&gt;"' in (await admin.submit(path, 400, email="<b>", role="member")).text
        await admin.submit(path, 400, email=BOB, role="owner")
        await admin.submit(path, 409, email=EMAIL, role="member")

    visit(test)
