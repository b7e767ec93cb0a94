"""API keys: shown once, seen and revoked by whom they concern, dead at once."""

from __future__ import annotations

import re

from tests.integration.web_accounts.site import Browser, Site, visit

KEY = re.compile(r"osb_[0-9a-f]{64}")
REVOKE = re.compile(r"/settings/keys/([0-9a-f-]{36})/revoke")


async def create(browser: Browser, name: str) -> str:
    answer = await browser.submit("/settings/keys", 200, name=name)
    found = set(KEY.findall(answer.text))
    assert len(found) == 1, answer.text
    return str(found.pop())


async def ids(browser: Browser) -> list[str]:
    return REVOKE.findall(await browser.page("/settings/keys"))


def test_a_key_is_shown_once_works_and_is_dead_as_soon_as_it_is_revoked() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        key = await create(admin, "laptop <i>")
        page = await admin.page("/settings/keys")
        assert key not in page
        assert "laptop &lt;i&gt;" in page
        who = (await site.whoami(key)).json()
        assert (who["email"], who["org_name"]) == ("admin@example.com", "default")
        [id] = await ids(admin)
        await admin.submit(f"/settings/keys/{id}/revoke")
        assert (await site.whoami(key)).status_code == 401
        assert await ids(admin) == []
        await admin.submit(f"/settings/keys/{id}/revoke", 404)

    visit(test)


def test_a_key_needs_a_name_and_what_was_typed_stays() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        await admin.submit("/settings/keys", 400, name=" ")
        answer = await admin.submit("/settings/keys", 400, name="x" * 101)
        assert f'value="{"x" * 101}"' in answer.text
        assert await ids(admin) == []

    visit(test)


def test_members_see_and_revoke_their_own_and_admins_all() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        member = await site.member(admin)
        of_admin = await create(admin, "of the admin")
        [id_of_admin] = await ids(admin)
        of_member = await create(member, "of the member")
        assert "of the admin" not in await member.page("/settings/keys")
        await member.submit(f"/settings/keys/{id_of_admin}/revoke", 404)
        assert (await site.whoami(of_admin)).status_code == 200
        [id_of_member] = await ids(member)
        assert set(await ids(admin)) == {id_of_admin, id_of_member}
        await admin.submit(f"/settings/keys/{id_of_member}/revoke")
        assert (await site.whoami(of_member)).status_code == 401

    visit(test)


def test_a_key_of_another_organization_is_not_there() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        accounts = site.plane.store.accounts
        id, key = await accounts.create_key((await accounts.ensure_organization("other")).id, "theirs")
        assert "theirs" not in await admin.page("/settings/keys")
        await admin.submit(f"/settings/keys/{id}/revoke", 404)
        assert (await site.whoami(key)).status_code == 200

    visit(test)
