"""What a sandbox may reach: said when it is made or forked, shown and changed in its tab."""

from __future__ import annotations

import msgspec
import pytest

from oc.model.egress import Rules
from oc.model.errors import Unavailable
from oc.model.sandbox import Status
from tests.integration.server import stub
from tests.integration.web_sandboxes.stand import HOSTILE, Desk, work_at
from tests.integration.web_sandboxes.test_live_streams import listening, until_said
from tests.integration.web_secrets.stores import make, policies, put


async def rules(at: Desk, id: str) -> Rules | None:
    return (await at.row(id)).wish.egress.rules


def test_a_new_sandbox_may_reach_what_its_form_says() -> None:
    async def test(at: Desk) -> None:
        store = await make(at, "s")
        await put(at, store, "A")
        id = await at.create(store="s", allow="pypi.org\r\n*.pythonhosted.org, 203.0.113.0/24")
        egress = (await at.row(id)).wish.egress
        assert egress.stores == (store,)
        assert egress.rules == Rules(False, ("pypi.org", "*.pythonhosted.org"), ("203.0.113.0/24",))
        assert await rules(at, await at.create(deny_all="1")) == Rules(True, ())
        assert not (await at.row(await at.create())).wish.egress.governed

    work_at(test)


def test_a_form_that_makes_no_sense_is_shown_again() -> None:
    async def test(at: Desk) -> None:
        await make(at, "s")
        for typed, wrong in (
            ({"allow": "https://pypi.org"}, ["allow"]),
            ({"allow": "203.0.113.1/24"}, ["allow"]),
            ({"allow": "pypi.org", "deny_all": "1"}, ["deny_all"]),
        ):
            page = await at.page("/sandboxes/new")
            form = page.form("/sandboxes/new").filled(store="s", **typed)
            answer = await at.browser.enter("/sandboxes/new", 400, **form)
            shown = type(page)(answer.text).form("/sandboxes/new")
            assert shown.wrong == wrong
            assert shown.values["allow"] == typed["allow"]
            assert '<option value="s" selected>' in answer.text
        assert await at.plane.store.sandboxes.in_states(Status.RUNNING) == []

    work_at(test)


def test_a_fork_may_use_another_store() -> None:
    async def test(at: Desk) -> None:
        first, second = await make(at, "first"), await make(at, "second")
        id = await at.create(store="first")
        checkpoint = await at.checkpoint(id, "c")
        here = f"/sandboxes/{id}/checkpoints/{checkpoint}"
        plain = (await at.send(here, "/fork")).headers["location"][11:]
        other = (await at.send(here, "/fork", store="second")).headers["location"][11:]
        assert (await at.row(plain)).wish.egress.stores == (first,)
        assert (await at.row(other)).wish.egress.stores == (first, second)

    work_at(test)


def test_rules_are_set_shown_and_taken_back() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        tab = f"/sandboxes/{id}/egress"
        assert "Any public host, straight out" in (await at.page(tab)).text
        await at.send(tab, "/egress", allow="pypi.org 203.0.113.0/24")
        assert policies(at, id)[-1]["allowHosts"] == ["pypi.org"]
        page = await at.page(tab)
        assert "<code>pypi.org</code>" in page.text
        assert page.form("/egress").values["allow"] == "pypi.org\n203.0.113.0/24"
        await at.send(tab, "/egress", allow="", deny_all="1")
        assert policies(at, id)[-1]["denyAll"] is True
        assert "it reaches nothing" in (await at.page(tab)).text
        await at.send(tab, "/egress/clear")
        assert await rules(at, id) is None
        assert ("DELETE", f"/sandboxes/{id}/egress") in [(method, path) for method, path, *_ in at.worker.seen]
        assert not (await at.page(tab)).has("/clear")

    work_at(test)


def test_empty_or_wrong_rules_are_refused_and_stay_typed() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        tab = f"/sandboxes/{id}/egress"
        assert "name a host or a network" in (await at.send(tab, "/egress", 400, allow=" ")).text
        refused = await at.send(tab, "/egress", 400, allow=f"</textarea>{HOSTILE}")
        assert "is not a host name" in refused.text
        assert "<script>alert" not in refused.text
        assert await rules(at, id) is None

    work_at(test)


def test_looking_wakes_nothing_and_rules_of_a_sleeper_hold_when_it_wakes() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        await at.send(f"/sandboxes/{id}", f"/{id}/hibernate")
        await at.send(f"/sandboxes/{id}/egress", "/egress", allow="pypi.org")
        assert "<code>pypi.org</code>" in (await at.page(f"/sandboxes/{id}/egress")).text
        assert (await at.row(id)).status is Status.HIBERNATED
        await at.send(f"/sandboxes/{id}", f"/{id}/wake")
        assert policies(at, id)[-1]["allowHosts"] == ["pypi.org"]

    work_at(test)


def test_an_ended_sandbox_shows_its_rules_and_offers_no_change() -> None:
    async def test(at: Desk) -> None:
        id = await at.create(allow="pypi.org")
        await at.send(f"/sandboxes/{id}", f"/{id}/kill")
        page = await at.page(f"/sandboxes/{id}/egress")
        assert "<code>pypi.org</code>" in page.text
        assert not page.has("/egress")
        await at.browser.submit(f"/sandboxes/{id}/egress", 410, allow="x.example.com")

    work_at(test)


def test_refusals_are_told_while_one_looks_and_move_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("GET", "violations")
    refusal = {"at": 1_700_000_000_000_000, "host": "a\u202eb" + HOSTILE, "port": 443, "reason": HOSTILE}

    async def test(at: Desk) -> None:
        id = await at.create(allow="pypi.org")
        monkeypatch.setitem(stub.CANNED, asked, (200, []))
        async with listening(at, f"/sandboxes/{id}/live?tab=egress") as told:
            assert "Nothing was refused" in await until_said(told, 'id="refusals"')
            monkeypatch.setitem(stub.CANNED, asked, (200, [refusal]))
            news = await until_said(told, 'id="refusals"')
        page = (await at.page(f"/sandboxes/{id}/egress")).text
        for text in (news, page):
            assert "a\\u202eb" in text
            assert "<script>alert" not in text
        monkeypatch.setitem(stub.CANNED, asked, (503, msgspec.to_builtins(Unavailable("away").body())))
        assert "Nobody can tell" in (await at.page(f"/sandboxes/{id}/egress")).text

    work_at(test)


def test_the_tab_of_another_organization_is_not_there() -> None:
    async def test(at: Desk) -> None:
        id = await at.stranger()
        await at.browser.page(f"/sandboxes/{id}/egress", 404)
        await at.browser.submit(f"/sandboxes/{id}/egress", 404, allow="pypi.org")
        await at.browser.submit(f"/sandboxes/{id}/egress/clear", 404)
        assert not (await at.row(id)).wish.egress.governed

    work_at(test)
