"""The pages of one sandbox, each used as a person would."""

from __future__ import annotations

import pytest

from oc.model.errors import Failed
from oc.model.sandbox import Status
from tests.integration.server.control import until
from tests.integration.web_sandboxes.stand import Desk, work_at

TABS = ("", "/checkpoints", "/previews", "/events")


@pytest.mark.parametrize("verb", ["hibernate", "reboot", "power-cycle", "kill"])
def test_buttons_at_the_head_do_what_they_say(verb: str) -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        answer = await at.send(f"/sandboxes/{id}", f"/{id}/{verb}")
        assert answer.headers["location"] == f"/sandboxes/{id}"
        status = {"hibernate": Status.HIBERNATED, "kill": Status.STOPPED}.get(verb, Status.RUNNING)
        assert (await at.row(id)).status is status
        asked = {"hibernate": "freeze", "reboot": "reboot", "power-cycle": "reboot"}.get(verb)
        assert asked is None or len(at.worker.asked_for(asked)) == 1

    work_at(test)


def test_a_woken_sandbox_keeps_its_timeout() -> None:
    async def test(at: Desk) -> None:
        id = await at.create(timeout="1234")
        await at.send(f"/sandboxes/{id}", f"/{id}/hibernate")
        await at.send(f"/sandboxes/{id}", f"/{id}/wake")
        row = await at.row(id)
        assert (row.status, row.wish.timeout_s) == (Status.RUNNING, 1234)

    work_at(test)


def test_the_timeout_is_set_where_it_is_shown() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        await at.send(f"/sandboxes/{id}", "/timeout", timeout="7200")
        assert "2 h" in (await at.page(f"/sandboxes/{id}")).text
        refused = await at.send(f"/sandboxes/{id}", "/timeout", 400, timeout="-5")
        assert "timeout must be non-negative" in refused.text
        assert (await at.row(id)).wish.timeout_s == 7200

    work_at(test)


def test_a_script_is_told_of_an_error_by_a_fragment_where_messages_are() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        form = (await at.page(f"/sandboxes/{id}")).form("/timeout").filled(timeout="x")
        headers = {"Origin": at.browser.origin, "HX-Request": "true"}
        answer = await at.browser.post(f"/sandboxes/{id}/timeout", data=form, headers=headers)
        assert (answer.status_code, answer.headers["hx-retarget"]) == (400, "#messages")
        assert "<html" not in answer.text

    work_at(test)


def test_to_look_wakes_nothing_and_is_no_use() -> None:
    async def test(at: Desk) -> None:
        id = await at.create(timeout="60")
        await at.send(f"/sandboxes/{id}", f"/{id}/hibernate")
        before, asked = await at.row(id), list(at.worker.seen)
        for tab in TABS:
            await at.page(f"/sandboxes/{id}{tab}")
        assert await at.row(id) == before
        assert at.worker.seen == asked
        await at.send(f"/sandboxes/{id}", f"/{id}/wake")
        at.plane.activity.unwritten()
        for tab in TABS:
            await at.page(f"/sandboxes/{id}{tab}")
        assert at.plane.activity.unwritten() == {}
        assert "true" in (await at.page(f"/sandboxes/{id}")).text  # the command of the stub's session

    work_at(test)


def test_a_killed_sandbox_is_shown_without_anything_to_press() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        await at.checkpoint(id, "last words")
        await at.send(f"/sandboxes/{id}", f"/{id}/kill")
        for tab in TABS:
            page = await at.page(f"/sandboxes/{id}{tab}")
            assert "stopped" in page.text
            left = {form.action.rpartition("/")[2] for form in page.forms} - {"sign-out"}
            assert left == ({"fork", "delete"} if tab == "/checkpoints" else set())

    work_at(test)


def test_what_went_wrong_is_told() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        checkpoint = await at.checkpoint(id, "c")
        at.worker.failures["restore"] = Failed("the disk is full")
        await at.send(f"/sandboxes/{id}/checkpoints", f"/{checkpoint}/restore")

        async def told() -> bool:
            return "the disk is full" in (await at.page(f"/sandboxes/{id}")).text

        await until(told)
        await at.plane.lifecycle.fail(id, "its host has died")
        page = await at.page(f"/sandboxes/{id}")
        assert "its host has died" in page.text
        assert page.has(f"/{id}/kill")

    work_at(test)


def test_preview_urls_are_added_opened_guarded_and_deleted() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        here = f"/sandboxes/{id}/previews"
        await at.send(here, "/previews", port="3000")
        await at.send(here, "/previews", port="8080", domain="app.example.com")
        links = [link for link in (await at.page(here)).links if link.get("target")]
        assert [link["href"].split("//")[1].split(":")[0] for link in links] == [
            f"{id}-p3000.localhost",
            "app.example.com",
        ]
        assert {(link["target"], link["rel"]) for link in links} == {("_blank", "noopener noreferrer")}
        refused = await at.send(here, "/previews", 400, port="70000")
        assert "port must be between 1 and 65535" in refused.text
        await at.send(here, "/3000/delete")
        assert f"{id}-p3000" not in (await at.page(here)).text

        shown = await at.send(here, "/rotate", 200)
        token = shown.text.split('data-copy="')[1].split('"')[0]
        assert (await at.row(id)).preview_hash is not None
        assert token not in (await at.page(here)).text

    work_at(test)


def test_events_are_listed_newest_first() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        await at.send(f"/sandboxes/{id}", f"/{id}/kill")
        text = (await at.page(f"/sandboxes/{id}/events")).text
        assert text.index("<td>stopped</td>") < text.index("<td>started</td>") < text.index("<td>created</td>")

    work_at(test)
