"""What belongs to others is not there, what is not from a page of ours is refused, and no text becomes markup."""

from __future__ import annotations

from oc.server.api import Api
from oc.web.app import outside
from oc.web.guard import Guard
from oc.web.pages import Pages
from tests.integration.web_sandboxes.stand import HOSTILE, Desk, work_at

ACTIONS = (
    "hibernate", "wake", "reboot", "power-cycle", "kill", "timeout", "checkpoints", "checkpoints/{c}/restore",
    "checkpoints/{c}/fork", "checkpoints/{c}/delete", "checkpoints/{c}/publish", "checkpoints/{c}/unpublish",
    "checkpoints/{c}/patches", "checkpoints/{c}/patches/{c}/delete", "previews", "previews/rotate",
    "previews/80/delete", "egress", "egress/clear",
)  # fmt: skip
PAGES = ("", "/live", "/checkpoints", "/checkpoints/{c}", "/previews", "/egress", "/events")
TYPED = {
    "timeout": "1",
    "name": "x",
    "kind": "full",
    "count": "1",
    "script": "true",
    "port": "80",
    "allow": "x.example.com",
}


def test_what_belongs_to_others_is_not_there() -> None:
    async def test(at: Desk) -> None:
        id, mine = await at.stranger(), await at.create()
        (checkpoint,) = await at.plane.store.checkpoints.of_sandbox(id)
        assert not checkpoint.public
        before = await at.row(id)
        for path in PAGES:
            await at.browser.page(f"/sandboxes/{id}{path.format(c=checkpoint.id)}", 404)
        await at.browser.page(f"/sandboxes/{mine}/checkpoints/{checkpoint.id}", 404)
        for action in ACTIONS:
            await at.browser.submit(f"/sandboxes/{id}/{action.format(c=checkpoint.id)}", 404, **TYPED)
        for deed in ("restore", "fork", "delete", "publish", "patches"):
            answer = await at.browser.post(
                f"/sandboxes/{mine}/checkpoints/{checkpoint.id}/{deed}",
                data={"csrf": await at.browser.token(), **TYPED},
                headers={"Origin": at.browser.origin},
            )
            assert answer.status_code in {400, 404}
        assert await at.row(id) == before
        left = await at.plane.store.checkpoints.of_sandbox(id)
        assert [(row.id, row.public) for row in left] == [(checkpoint.id, False)]
        assert await at.plane.store.patches.after(checkpoint.id) == []
        assert id not in (await at.page("/?status=all")).text

    work_at(test)


def test_every_action_asks_for_the_token_of_the_session() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        checkpoint = await at.checkpoint(id, "c")
        before = await at.row(id)
        for path in ("/sandboxes/new", *(f"/sandboxes/{id}/{action.format(c=checkpoint)}" for action in ACTIONS)):
            await at.browser.enter(path, 403, **TYPED)
        assert await at.row(id) == before
        assert len(await at.plane.store.checkpoints.of_sandbox(id)) == 1

    work_at(test)


def test_the_tests_above_know_every_route() -> None:
    async def test(at: Desk) -> None:
        known = {f"/sandboxes/{{id}}{page}" for page in PAGES} | {f"/sandboxes/{{id}}/{act}" for act in ACTIONS}
        known = {path.replace("{c}", "{checkpoint}", 1).replace("{c}", "{patch}") for path in known}
        known = {path.replace("/80/", "/{port}/") for path in known}
        pages = Pages(at.plane.settings)
        guard = Guard(at.plane.settings, at.plane.store.web_sessions, pages, at.plane.trail)
        made = {str(getattr(route, "path", "")) for route in outside(at.plane, Api(at.plane), guard, pages)}
        assert {path for path in made if "{id}" in path} == known

    work_at(test)


def test_no_text_becomes_markup() -> None:
    async def test(at: Desk) -> None:
        id = await at.create(metadata=f"{HOSTILE}={HOSTILE}")
        checkpoint = await at.checkpoint(id, HOSTILE)
        here = f"/sandboxes/{id}"
        await at.send(f"{here}/checkpoints/{checkpoint}", "/patches", script=HOSTILE, description=HOSTILE)
        fork = (await at.send(f"{here}/checkpoints", f"/{checkpoint}/fork")).headers["location"]
        await at.plane.lifecycle.fail(fork.rpartition("/")[2], HOSTILE)
        paths = [f"/?q={HOSTILE}", here, f"{here}/checkpoints", f"{here}/checkpoints/{checkpoint}"]
        for path in [*paths, fork, f"{fork}/events"]:
            text = (await at.browser.get(path)).text
            assert "<script>alert" not in text, path
            assert "&lt;script&gt;alert" in text, path
        answer = await at.send("/sandboxes/new", "/sandboxes/new", 400, cpu=HOSTILE, env=f"</textarea>{HOSTILE}")
        assert "<script>alert" not in answer.text

    work_at(test)
