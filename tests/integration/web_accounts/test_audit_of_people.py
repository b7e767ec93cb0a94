"""What people do with accounts, keys and members is in the audit log of their organization, and no secret of theirs."""

from __future__ import annotations

from structlog.testing import capture_logs

from oc.server.audit_calls import NEWEST
from oc.store.audit import Entry, Question
from tests.integration.web_accounts.site import Site, invite, visit
from tests.integration.web_accounts.test_api_keys_page import create, ids
from tests.integration.web_accounts.test_device_login import approve, ask, exchange
from tests.web import EMAIL, PASSWORD

BOB = "bob@example.com"
Told = tuple[str, str, int]


async def entries(site: Site, organization: str = "default") -> list[Entry]:
    """Oldest first."""
    await site.plane.trail.write()
    org = await site.plane.store.accounts.ensure_organization(organization)
    found, _ = await site.plane.store.audit.page(org.id, Question(), NEWEST, 500)
    return found[::-1]


async def told(site: Site) -> list[Told]:
    return [(entry.actor, entry.call, entry.status) for entry in await entries(site)]


def test_coming_in_and_going_are_recorded_whether_they_succeed_or_not() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        await admin.submit("/sign-out")
        browser = await site.visit(**{"X-Forwarded-For": "198.51.100.7"})
        await browser.enter("/sign-in", 401, email=EMAIL, password="a wrong password")
        await browser.enter("/sign-in", 401, email="nobody@example.com", password="a wrong password")
        await browser.enter("/sign-in", email=f" {EMAIL.upper()} ", password=PASSWORD)
        assert await told(site) == [
            (EMAIL, "signUp", 303),
            (EMAIL, "signOut", 303),
            (EMAIL, "signIn", 401),
            (EMAIL, "signIn", 303),
        ]
        assert {entry.actor_kind for entry in await entries(site)} == {"person"}
        assert [entry.address for entry in await entries(site)][2:] == ["198.51.100.7"] * 2

    visit(test)


def test_a_wrong_password_is_told_to_every_organization_of_the_person_and_to_no_other() -> None:
    async def test(site: Site) -> None:
        await site.admin()
        await site.join("second", EMAIL, "member")
        await site.plane.store.accounts.ensure_organization("third")
        await (await site.visit()).enter("/sign-in", 401, email=EMAIL, password="a wrong password")
        failed = {name: [entry.call for entry in await entries(site, name)] for name in ("default", "second", "third")}
        assert failed == {"default": ["signUp", "signIn"], "second": ["signIn"], "third": []}

    visit(test)


def test_keys_members_and_invitations_are_recorded_by_what_they_are_about() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        bob = await site.member(admin, BOB)
        key = await create(admin, "laptop")
        [key_id] = await ids(admin)
        await admin.submit(f"/settings/keys/{key_id}/revoke")
        person = await site.plane.store.people.by_email(BOB)
        assert person
        await bob.submit(f"/settings/members/{person.id}/role", 403, role="admin")
        await admin.submit(f"/settings/members/{person.id}/role", role="admin")
        await admin.submit(f"/settings/members/{person.id}/remove")
        found = await entries(site)
        assert [(entry.actor, entry.call, entry.object, entry.status) for entry in found[1:]] == [
            (EMAIL, "inviteMember", BOB, 200),
            (BOB, "acceptInvitation", "", 303),
            (EMAIL, "createKey", key_id, 200),
            (EMAIL, "revokeKey", key_id, 303),
            (BOB, "setRole", person.id, 403),
            (EMAIL, "setRole", f"{person.id}/admin", 303),
            (EMAIL, "removeMember", person.id, 303),
        ]
        assert key not in repr(found)

    visit(test)


def test_a_login_of_a_command_line_is_recorded_from_its_approval_to_its_end() -> None:
    async def test(site: Site) -> None:
        admin, oc = await site.admin(), await site.visit()
        asked = await ask(oc)
        await approve(admin, asked)
        granted = (await exchange(oc, asked)).json()["credential"]
        async with site.api(granted["key"]) as api:
            assert (await api.delete("/auth/cli/credential")).status_code == 204
        found = await entries(site)
        assert [(entry.call, entry.object) for entry in found[1:]] == [
            ("decideLogin", "approve/127.0.0.1"),
            ("createKey", granted["id"]),
            ("revokeKey", granted["id"]),
        ]
        assert found[-1].actor.startswith(f"{granted['key'][:8]} {EMAIL} ")
        assert asked["user_code"] not in repr(found)

    visit(test)


def test_no_password_token_or_key_is_in_the_log() -> None:
    secrets: list[str] = []

    async def test(site: Site) -> None:
        admin = await site.admin()
        link = await invite(admin, BOB)
        bob = await site.visit()
        await bob.enter(link, 400, name="", password="short")
        await bob.enter(link, name="", password=PASSWORD)
        await bob.enter(link, 404, name="", password=PASSWORD)
        await bob.submit("/settings/account/password", 401, current="not this one", password=PASSWORD)
        secrets.extend([link.rpartition("/")[2], PASSWORD, await create(bob, "k"), bob.session or "", "not this one"])
        secrets.append(await bob.token())
        written = repr(await entries(site))
        assert "changePassword" in written
        assert [secret for secret in secrets if secret in written] == []

    with capture_logs() as logs:
        visit(test)
    assert [secret for secret in secrets if secret in repr(logs)] == []


def test_a_refused_invitation_by_somebody_known_is_a_failed_sign_in() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        await site.member(admin, BOB)
        second = await site.join("second", EMAIL, "admin")
        await admin.submit("/settings/account/organization", organization=second)
        link = await invite(admin, BOB)
        await (await site.visit()).enter(link, 401, name="", password="a wrong password")
        assert (await told(site))[-2:] == [(EMAIL, "switchOrganization", 303), (BOB, "signIn", 401)]
        assert [entry.call for entry in await entries(site, "second")] == ["inviteMember"]

    visit(test)
