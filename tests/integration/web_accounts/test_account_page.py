"""What people change about themselves."""

from __future__ import annotations

from oc.web.limits import OF_EMAIL
from tests.integration.web_accounts.site import Site, visit
from tests.web import EMAIL, PASSWORD

OTHER = "another good password"


def test_a_name_is_shown_as_text_wherever_it_stands() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        name = "<script>alert(1)</script>\"'"
        answer = await admin.submit("/settings/account/name", name=name)
        for path in (answer.headers["location"], "/settings/members"):
            page = await admin.page(path)
            assert "<script>alert" not in page
            assert "&lt;script&gt;alert(1)" in page
        await admin.submit("/settings/account/name", 400, name="x" * 101)
        await admin.submit("/settings/account/name", 400, name="a\x00b")

    visit(test)


def test_a_new_password_ends_all_other_sessions() -> None:
    async def test(site: Site) -> None:
        admin, other = await site.admin(), await site.visit()
        await other.enter("/sign-in", email=EMAIL, password=PASSWORD)
        await admin.submit("/settings/account/password", 401, current="not the right one", password=OTHER)
        await admin.submit("/settings/account/password", 400, current=PASSWORD, password="short")
        assert await other.is_signed_in()
        await admin.submit("/settings/account/password", current=PASSWORD, password=OTHER)
        assert await admin.is_signed_in()
        assert not await other.is_signed_in()
        await other.enter("/sign-in", 401, email=EMAIL, password=PASSWORD)
        await other.enter("/sign-in", email=EMAIL, password=OTHER)

    visit(test)


def test_who_has_a_session_cannot_guess_its_password() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        for _ in range(OF_EMAIL):
            await admin.submit("/settings/account/password", 401, current="not the right one", password=OTHER)
        await admin.submit("/settings/account/password", 429, current=PASSWORD, password=OTHER)

    visit(test)


def test_one_signs_out_everywhere_else() -> None:
    async def test(site: Site) -> None:
        admin, other = await site.admin(), await site.visit()
        assert "with this browser only" in await admin.page("/settings/account")
        await other.enter("/sign-in", email=EMAIL, password=PASSWORD)
        assert "1 other browser" in await admin.page("/settings/account")
        await admin.submit("/settings/account/sign-out-elsewhere")
        assert await admin.is_signed_in()
        assert not await other.is_signed_in()

    visit(test)


def test_one_looks_at_another_organization_only_if_one_belongs_to_it() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        accounts, people = site.plane.store.accounts, site.plane.store.people
        other = await accounts.ensure_organization("other")
        await admin.submit("/settings/account/organization", 404, organization=other.id)
        invited = await site.member(admin, "bob@example.com")
        bob = await people.by_email("bob@example.com")
        assert bob
        await site.join("other", EMAIL, "member")
        await admin.submit("/settings/account/organization", organization=other.id)
        assert "Members of other" in await admin.page("/settings/members")
        assert EMAIL not in await invited.page("/settings/keys")
        await invited.submit("/settings/account/organization", 404, organization=other.id)

    visit(test)
