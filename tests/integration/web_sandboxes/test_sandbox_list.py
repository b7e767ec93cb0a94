"""The list of sandboxes, and the form for a new one."""

from __future__ import annotations

import pytest

from oc.model.errors import Unavailable
from oc.model.sandbox import Status
from tests.integration.web_sandboxes.stand import Desk, work_at


def test_whoever_has_none_is_told_how_to_get_one() -> None:
    async def test(at: Desk) -> None:
        page = await at.page("/")
        assert "oc create" in page.text
        assert "/sandboxes/new" in [link["href"] for link in page.links]

    work_at(test)


def test_a_sandbox_is_made_as_the_form_says_and_listed() -> None:
    async def test(at: Desk) -> None:
        typed = {"cpu": "0.5", "memory": "256", "disk": "2048", "timeout": "600"}
        id = await at.create(env="A=1\r\nB=x=y\r\n\r\n", metadata="project=site", **typed)
        wish = (await at.row(id)).wish
        assert (wish.size.cpus, wish.size.memory_mb, wish.size.disk_mb, wish.timeout_s) == (0.5, 256, 2048, 600)
        assert (wish.envs, wish.metadata) == ({"A": "1", "B": "x=y"}, {"project": "site"})
        text = (await at.page("/")).text
        assert f'href="/sandboxes/{id}"' in text
        assert "project=site" in text
        assert "10 min" in text

    work_at(test)


def test_what_is_left_empty_is_left_to_the_settings() -> None:
    async def test(at: Desk) -> None:
        settings, row = at.plane.settings, await at.row(await at.create())
        assert (row.wish.size.cpus, row.wish.size.memory_mb) == (settings.default_cpus, settings.default_memory_mb)
        assert row.wish.timeout_s == 0

    work_at(test)


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("cpu", "0.3"), ("cpu", "many"), ("memory", "1"), ("memory", "1.5"), ("disk", "1"), ("timeout", "-1"),
        ("env", "NOVALUE"), ("env", "=x"), ("metadata", "just words"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_its_field_and_nothing_typed_is_lost(field: str, typed: str) -> None:
    async def test(at: Desk) -> None:
        good = {"metadata": "a=b", "env": "C=d", "preview_auth": "1"}
        answer = await at.send("/sandboxes/new", "/sandboxes/new", 400, **good | {field: typed})
        form = type(await at.page("/"))(answer.text).form("/sandboxes/new")
        assert form.wrong == [field]
        assert {name: form.values[name] for name in (*good, field)} == good | {field: typed}
        assert await at.plane.store.sandboxes.in_states(*Status) == []

    work_at(test)


def test_what_is_about_no_field_is_said_above_the_form() -> None:
    async def test(at: Desk) -> None:
        at.worker.refusal = Unavailable("the host is out of memory", hint="kill something")
        answer = await at.send("/sandboxes/new", "/sandboxes/new", 503, memory="256")
        assert "the host is out of memory" in answer.text
        assert 'value="256"' in answer.text

    work_at(test)


def test_the_token_of_previews_is_shown_once() -> None:
    async def test(at: Desk) -> None:
        answer = await at.send("/sandboxes/new", "/sandboxes/new", 201, preview_auth="1")
        token = answer.text.split('data-copy="')[1].split('"')[0]
        (row,) = await at.plane.store.sandboxes.in_states(Status.RUNNING)
        assert len(token) >= 16
        assert row.preview_hash is not None
        for path in (f"/sandboxes/{row.id}", f"/sandboxes/{row.id}/previews", "/"):
            assert token not in (await at.page(path)).text

    work_at(test)


def test_the_list_is_narrowed_by_its_address() -> None:
    async def test(at: Desk) -> None:
        one, two = await at.create(metadata="project=site"), await at.create(metadata="project=other")
        await at.send("/", f"/{two}/hibernate")

        async def listed(query: str) -> list[str]:
            text = (await at.page(f"/?{query}")).text
            return [id for id in (one, two) if f'<tr id="{id}"' in text]

        assert await listed("") == [one, two]
        assert await listed("status=running") == [one]
        assert await listed("status=hibernated") == [two]
        assert await listed("status=stopped") == []
        assert await listed("q=SITE") == [one]
        assert await listed(f"q={two[3:]}") == [two]
        assert await listed("q=project+other") == [two]
        assert await listed("q=nothing+like+it") == []
        assert await listed("status=nonsense") == [one, two]

    work_at(test)


def test_buttons_in_the_list_lead_back_to_it_as_it_was() -> None:
    async def test(at: Desk) -> None:
        id = await at.create(metadata="a=b", timeout="900")
        here = "/?status=all&q=a"
        for verb, status in (
            ("hibernate", Status.HIBERNATED),
            ("wake", Status.RUNNING),
            ("kill", Status.STOPPED),
        ):
            answer = await at.send(here, f"/{id}/{verb}")
            assert answer.headers["location"] == here
            assert (await at.row(id)).status is status
        assert (await at.row(id)).wish.timeout_s == 900

    work_at(test)


def test_more_than_can_be_read_are_not_all_shown() -> None:
    async def test(at: Desk) -> None:
        wish = (await at.row(await at.create())).wish
        organization = (await at.plane.store.sandboxes.in_states(Status.RUNNING))[0].org_id
        await at.plane.store.sandboxes.add(organization, [wish] * 204, 1000)
        text = (await at.page("/")).text
        assert text.count("<tr id=") == 200
        assert "200 of 205" in text

    work_at(test)
