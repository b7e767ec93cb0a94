"""The audit log on the dashboard: what the person at the desk has done is there, for admins."""

from __future__ import annotations

import html
import re

from msgspec.structs import replace

from oc.store.audit import Entry
from tests.integration.web_sandboxes.stand import HOSTILE, Desk, work_at
from tests.integration.web_secrets.stores import VALUE, make, of_strangers, put
from tests.web import EMAIL

PAGE = "/settings/audit"


async def page(at: Desk, query: str = "") -> str:
    await at.plane.trail.write()
    return (await at.page(f"{PAGE}{query}")).text


def calls(text: str) -> list[str]:
    """Of the lines, newest first."""
    return re.findall(r"<td>(\w+)</td>", text)


def objects(text: str) -> list[str]:
    return re.findall(r'<td class="mono who" data-label="of">([^<]*)</td>', text)


def test_forms_are_recorded_as_the_calls_that_they_make() -> None:
    async def test(at: Desk) -> None:
        store = await make(at, "s")
        await put(at, store, "API_KEY")
        id = await at.create(store="s")
        checkpoint = await at.checkpoint(id, "c")
        await at.send(f"/sandboxes/{id}/egress", "/egress", allow="pypi.org")
        await at.send(f"/sandboxes/{id}", f"/{id}/kill")
        await at.browser.submit(f"/secrets/{store}/secrets/NONE/delete", 404)
        text = await page(at)
        assert list(zip(calls(text), objects(text), strict=True)) == [
            ("deleteSecret", f"{store}/NONE"),
            ("killSandbox", id),
            ("setEgress", id),
            ("createCheckpoint", f"{id}/{checkpoint}"),
            ("createSandbox", id),
            ("setSecret", f"{store}/API_KEY"),
            ("createSecretStore", store),
            ("signUp", "\N{EN DASH}"),
        ]
        assert '<span class="bad">404' in text
        assert text.count(f'<td class="who">{EMAIL}</td>') == 8
        assert VALUE not in text

    work_at(test)


def test_scripts_of_pages_are_recorded_as_the_person_who_looks_at_them() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        headers = {"Origin": at.browser.origin, "X-CSRF-Token": await at.browser.token()}
        await at.browser.post(f"/app/api/sandboxes/{id}/files/mkdir?path=/x", headers=headers)
        await at.browser.post(f"/app/api/sandboxes/{id}/files/mkdir?path=/x", headers={"Origin": at.browser.origin})
        text = await page(at, f"?object={id}")
        assert calls(text) == ["makeDirectory", "createSandbox"]
        assert f'<td class="who">{EMAIL}</td>' in text

    work_at(test)


def test_it_is_filtered_and_what_was_asked_stays_in_the_form() -> None:
    async def test(at: Desk) -> None:
        id, other = await at.create(), await at.create()
        assert calls(await page(at, f"?object={id}")) == ["createSandbox"]
        assert objects(await page(at, "?call=createSandbox")) == [other, id]
        assert calls(await page(at, "?actor=ADMIN%40&period=1h&call=signUp")) == ["signUp"]
        empty = await page(at, f"?actor=nobody&call={HOSTILE}")
        assert "Nothing matches" in empty
        assert "<script>alert" not in empty
        assert 'value="nobody"' in empty
        assert calls(await page(at, "?period=nonsense")) == ["createSandbox", "createSandbox", "signUp"]

    work_at(test)


def test_older_entries_are_a_page_away() -> None:
    async def test(at: Desk) -> None:
        org = await at.plane.store.accounts.ensure_organization("default")
        one = Entry(org_id=org.id, at=0, actor="a", actor_kind="host", call="old")
        rows = [replace(one, id=str(number), at=number, object=str(number)) for number in range(150)]
        await at.plane.store.audit.add(rows)
        first = await page(at, "?call=old")
        link = re.search(r'href="(/settings/audit\?call=old[^"]+)">Older', first)
        assert link
        second = (await at.page(html.unescape(link[1]))).text
        assert objects(first) + objects(second) == [str(number) for number in reversed(range(150))]
        assert "Older" not in second
        assert 'href="/settings/audit?call=old">Newest' in second
        await at.browser.page(f"{PAGE}?cursor=nonsense", 400)

    work_at(test)


def test_no_text_becomes_markup() -> None:
    async def test(at: Desk) -> None:
        await at.browser.submit("/settings/keys", 200, name=HOSTILE)
        (key,) = await at.plane.store.accounts.keys()
        org = await at.plane.store.accounts.ensure_organization("default")
        _, spoken = await at.plane.store.accounts.create_key(org.id, HOSTILE)
        async with at.site.api(spoken) as api:
            await api.delete(f"/api/sandboxes/{HOSTILE.replace('/', '')}")
        text = await page(at)
        assert calls(text)[:2] == ["killSandbox", "createKey"]
        assert key.id in text
        assert "<script>" not in text.replace("<script src=", "")
        assert "&lt;script&gt;alert" in text

    work_at(test)


def test_members_see_neither_page_nor_link_nor_log_and_others_see_their_own() -> None:
    async def test(at: Desk) -> None:
        await of_strangers(at)
        member = await at.site.member(at.browser)
        assert PAGE in (await at.page("/")).text
        assert PAGE not in await member.page("/")
        await member.page(PAGE, 403)
        assert (await member.get("/app/api/audit")).status_code == 403
        answer = await member.submit("/settings/keys", 200, name="k")
        key = re.search(r"osb_[0-9a-f]{64}", answer.text)
        assert key
        async with at.site.api(key[0]) as api:
            assert (await api.get("/api/audit")).status_code == 403
        assert (await at.browser.get("/app/api/audit")).status_code == 200
        assert "createSecretStore" not in await page(at)

    work_at(test)
