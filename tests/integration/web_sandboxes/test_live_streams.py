"""The streams that keep pages up to date: only what has changed is sent, and they end when they should."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from oc.web.live import MOST_STREAMS
from tests.integration.server.control import until
from tests.integration.web_sandboxes.stand import HOSTILE, Desk, work_at


@asynccontextmanager
async def listening(at: Desk, path: str) -> AsyncIterator[AsyncIterator[str]]:
    async with at.browser.stream("GET", path) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.aiter_lines())


async def events(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """What a browser is told, without heartbeats."""
    said: list[str] = []
    async for line in lines:
        if line:
            said.append(line)
        elif said != [":"]:
            yield "\n".join(said)
            said = []
        else:
            said = []


async def until_said(told: AsyncIterator[str], word: str) -> str:
    async for event in told:
        if word in event:
            return event
    raise AssertionError(f"the stream ended without {word}")


def test_a_row_is_told_piece_by_piece_and_the_table_only_when_its_rows_change() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        async with listening(at, "/sandboxes/live") as told:
            assert '<tbody id="sandboxes">' in await anext(told)
            await at.send("/", f"/{id}/hibernate")
            news = await until_said(told, "hibernated")
            assert f'<td id="{id}.state">' in news
            assert "Wake" in news
            assert "<tbody" not in news
            other = await at.create()
            assert "<tbody" in await until_said(told, other)

    work_at(test)


def test_what_is_used_is_drawn_as_it_is_measured() -> None:
    async def test(at: Desk) -> None:
        id = await at.create(cpu="2", memory="512")
        async with listening(at, f"/sandboxes/{id}/live?tab=overview") as told:
            await anext(told)
            at.worker.used = [{"id": id, "cpuSeconds": 10.0, "memoryBytes": 200 << 20}]
            await at.plane.statistics()
            await at.plane.statistics()
            news = await until_said(told, 'id="use"')
            assert "200 MB" in news
            assert "0.00" in news
        assert "200" in (await at.page("/")).text.partition(f'id="{id}.memory"')[2].partition("</td>")[0]

    work_at(test)


def test_each_tab_has_its_own_news() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        for tab, word in (("checkpoints", 'id="lineage"'), ("events", 'id="events"'), ("nonsense", "sandbox-status")):
            async with listening(at, f"/sandboxes/{id}/live?tab={tab}") as told:
                assert word in await anext(told)

    work_at(test)


def test_no_text_becomes_markup_on_the_way() -> None:
    async def test(at: Desk) -> None:
        id = await at.create(metadata=f"{HOSTILE}={HOSTILE}")
        await at.checkpoint(id, HOSTILE)
        for path in ("/sandboxes/live", f"/sandboxes/{id}/live?tab=overview", f"/sandboxes/{id}/live?tab=checkpoints"):
            async with listening(at, path) as told:
                first = await anext(told)
                assert "<script>alert" not in first
                assert "&lt;script&gt;alert" in first

    work_at(test)


def test_it_ends_when_the_session_ends() -> None:
    async def test(at: Desk) -> None:
        async with listening(at, "/sandboxes/live") as told:
            await anext(told)
            await at.browser.submit("/sign-out")
            assert (await until_said(told, "event: end")).startswith("event: end")
            assert [event async for event in told] == []
        async with listening(at, "/sandboxes/live") as told:
            assert (await anext(told)).startswith("event: end")

    work_at(test)


def test_it_ends_when_the_server_stops() -> None:
    async def test(at: Desk) -> None:
        async with listening(at, "/sandboxes/live") as told:
            await anext(told)
            at.plane.stopping.set()
            assert [event async for event in told if "event: end" in event] == []

    work_at(test)


def test_one_person_has_few_at_once() -> None:
    async def test(at: Desk) -> None:
        async with AsyncExitStack() as opened:
            streams = [await opened.enter_async_context(listening(at, "/sandboxes/live")) for _ in range(MOST_STREAMS)]
            for told in streams:
                await anext(told)
            assert await status(at) == 429

        async def again() -> bool:
            return await status(at) == 200

        await until(again)  # the server sees that the others have gone

    work_at(test)


async def status(at: Desk) -> int:
    async with at.browser.stream("GET", "/sandboxes/live") as answer:
        return answer.status_code
