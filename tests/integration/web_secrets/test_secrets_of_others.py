"""Every route of the pages of secrets: what belongs to others is not there, and no form of elsewhere is taken."""

from __future__ import annotations

from starlette.routing import Route

from oc.server.api import Api
from oc.web.app import organization
from oc.web.guard import Guard
from oc.web.pages import Pages
from tests.integration.web_sandboxes.stand import Desk, work_at
from tests.integration.web_secrets.stores import get, make, of_strangers, put

FOREIGN = ("http://evil.example.com", "null", "http://sb-00000000-p80.localhost")
TYPED = {"name": "taken", "hosts": "", "secret": "A", "value": "v", "secret_hosts": ""}


def paths(at: Desk, method: str, store: str) -> list[str]:
    pages = Pages(at.plane.settings)
    guard = Guard(at.plane.settings, at.plane.store.web_sessions, pages, at.plane.trail)
    routes = [route for route in organization(at.plane, Api(at.plane), guard, pages) if isinstance(route, Route)]
    return [route.path.format(store=store, name="A") for route in routes if method in (route.methods or ())]


def test_a_store_of_another_organization_is_not_there() -> None:
    async def test(at: Desk) -> None:
        theirs = await of_strangers(at)
        row, secrets = await get(at, theirs), await at.plane.store.secret_stores.secrets(theirs)
        actions = [path for path in paths(at, "POST", theirs) if theirs in path]
        assert len(actions) == 4
        for path in actions:
            await at.browser.submit(path, 404, **TYPED)
        await at.browser.page(f"/secrets/{theirs}", 404)
        assert "theirs" not in (await at.page("/secrets")).text
        refused = await at.browser.submit("/sandboxes/new", 400, store="theirs")
        assert "secret store not found" in refused.text
        assert await get(at, theirs) == row
        assert await at.plane.store.secret_stores.secrets(theirs) == secrets

    work_at(test)


def test_no_form_is_taken_without_the_sessions_token_or_from_another_origin() -> None:
    async def test(at: Desk) -> None:
        store = await make(at, "s")
        await put(at, store, "A")
        row, secrets = await get(at, store), await at.plane.store.secret_stores.secrets(store)
        sandbox, token = await at.create(), await at.browser.token()
        tab = [f"/sandboxes/{sandbox}/egress", f"/sandboxes/{sandbox}/egress/clear"]
        for path in [*paths(at, "POST", store), *tab]:
            await at.browser.enter(path, 403, **TYPED)
            await at.browser.enter(path, 403, csrf=f"{token}x", **TYPED)
            for origin in FOREIGN:
                form = {"csrf": token, "allow": "x.example.com", **TYPED}
                answer = await at.browser.post(path, data=form, headers={"Origin": origin})
                assert answer.status_code == 403, (path, origin)
        assert await get(at, store) == row
        assert await at.plane.store.secret_stores.secrets(store) == secrets
        assert not (await at.row(sandbox)).wish.egress.governed

    work_at(test)


def test_who_is_not_signed_in_is_asked_to_do_so() -> None:
    async def test(at: Desk) -> None:
        stranger = await at.site.visit()
        for method in ("GET", "POST"):
            for path in paths(at, method, "00000000-0000-4000-8000-000000000000"):
                answer = await stranger.request(method, path)
                assert answer.status_code == 303, path
                assert answer.headers["location"].startswith("/sign-in?next=")

    work_at(test)
