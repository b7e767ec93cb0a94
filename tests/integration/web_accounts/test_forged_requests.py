"""Forms that come from elsewhere, and pages for those who are not signed in, over every route of the people's side."""

from __future__ import annotations

from starlette.routing import Route

from oc.web import people
from oc.web.guard import Guard
from oc.web.pages import Pages
from tests.integration.web_accounts.site import Site, invite, visit
from tests.web import EMAIL, PASSWORD

WITHOUT_COOKIES = "/auth/cli/"
FOR_ANYBODY = ("/sign-in", "/sign-up", "/invitations/")
FOREIGN = ("http://evil.example.com", "null", "http://sb-00000000-p80.localhost")


def paths(site: Site, method: str) -> list[str]:
    """With ids that name nothing: whose request it is is asked first."""
    pages = Pages(site.plane.settings)
    guard = Guard(site.plane.settings, site.plane.store.web_sessions, pages, site.plane.trail)
    routes = [route for route in people.routes(site.plane, guard, pages) if isinstance(route, Route)]
    found = [route.path for route in routes if method in (route.methods or ())]
    return [path.format(id="none", token="none") for path in found if not path.startswith(WITHOUT_COOKIES)]


def test_no_form_is_taken_without_the_sessions_token_or_from_another_origin() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        own, token = {"Origin": site.origin}, await admin.token()
        actions = [path for path in paths(site, "POST") if not path.startswith(FOR_ANYBODY)]
        assert "/sign-out" in actions
        for path in actions:
            assert (await admin.post(path, data={}, headers=own)).status_code == 403, path
            assert (await admin.post(path, data={"csrf": f"{token}x"}, headers=own)).status_code == 403, path
            assert (await admin.post(path, data={"csrf": token})).status_code == 403, path
            for origin in FOREIGN:
                answer = await admin.post(path, data={"csrf": token}, headers={"Origin": origin})
                assert answer.status_code == 403, (path, origin)
        assert await admin.is_signed_in()

    visit(test)


def test_nobody_is_signed_in_by_a_form_of_another_origin() -> None:
    async def test(site: Site) -> None:
        link = await invite(await site.admin(), "bob@example.com")
        victim, form = await site.visit(), {"email": EMAIL, "password": PASSWORD, "name": ""}
        for path in ("/sign-in", "/sign-up", link):
            for headers in ({}, *({"Origin": origin} for origin in FOREIGN)):
                answer = await victim.post(path, data=form, headers=headers)
                assert answer.status_code == 403, (path, headers)
        assert victim.session is None

    visit(test)


def test_every_page_and_form_asks_who_is_not_signed_in_to_do_so() -> None:
    async def test(site: Site) -> None:
        await site.admin()
        stranger = await site.visit()
        for method in ("GET", "POST"):
            for path in paths(site, method):
                if not path.startswith(FOR_ANYBODY):
                    answer = await stranger.request(method, path)
                    assert answer.status_code == 303, (method, path)
                    assert answer.headers["location"].startswith("/sign-in?next=")

    visit(test)
