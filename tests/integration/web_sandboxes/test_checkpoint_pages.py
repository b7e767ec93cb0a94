"""Checkpoints of a sandbox in a browser: made, restored, forked, published, patched, deleted, and drawn as a tree."""

from __future__ import annotations

from msgspec.structs import replace

from oc.model.sandbox import Status
from oc.store.checkpoints import Checkpoint
from tests.integration.server.control import until
from tests.integration.web_sandboxes.stand import Desk, work_at


async def checkpoint_row(at: Desk, id: str) -> Checkpoint:
    row = await at.plane.store.checkpoints.get(id)
    assert row is not None
    return row


def test_a_checkpoint_is_made_listed_and_deleted() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        here = f"/sandboxes/{id}/checkpoints"
        await at.send(here, "/checkpoints", name=" clean ", kind="disk_only")
        made = (await at.plane.store.checkpoints.of_sandbox(id))[0]
        assert (made.name, made.kind) == ("clean", "disk_only")
        assert "clean" in (await at.page(here)).text
        refused = await at.send(here, "/checkpoints", 409, name="clean")
        assert "already exists" in refused.text
        await at.send(here, f"/{made.id}/delete")
        assert (await checkpoint_row(at, made.id)).deleted_at is not None
        assert not (await at.page(here)).has("/delete")

    work_at(test)


def test_the_overview_makes_one_too() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        await at.send(f"/sandboxes/{id}", "/checkpoints", name="now")
        assert [row.kind for row in await at.plane.store.checkpoints.of_sandbox(id)] == ["full"]

    work_at(test)


def test_a_sandbox_is_put_back() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        checkpoint = await at.checkpoint(id, "c")
        await at.send(f"/sandboxes/{id}/checkpoints", f"/{checkpoint}/restore")

        async def restored() -> bool:
            return (await at.row(id)).restoring is None

        await until(restored)
        assert at.worker.asked_for("restore") == [{"artifact": checkpoint, "memory": True}]

    work_at(test)


def test_one_fork_is_shown_and_several_are_listed() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        checkpoint = await at.checkpoint(id, "c")
        one = await at.send(f"/sandboxes/{id}/checkpoints", f"/{checkpoint}/fork")
        fork = await at.row(one.headers["location"].rpartition("/")[2])
        assert fork.wish.from_checkpoint == checkpoint

        three = await at.send(f"/sandboxes/{id}/checkpoints/{checkpoint}", "/fork", 201, count="3", timeout="60")
        running = await at.plane.store.sandboxes.in_states(Status.RUNNING)
        made = [row for row in running if row.wish.from_checkpoint == checkpoint and row.id != fork.id]
        assert [row.wish.timeout_s for row in made] == [60] * 3
        assert all(f'href="/sandboxes/{row.id}"' in three.text for row in made)
        refused = await at.send(f"/sandboxes/{id}/checkpoints/{checkpoint}", "/fork", 400, count="51")
        assert "count must be from 1 to 50" in refused.text

    work_at(test)


def test_a_checkpoint_is_published_and_taken_back() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        checkpoint = await at.checkpoint(id, "c")
        here = f"/sandboxes/{id}/checkpoints/{checkpoint}"
        await at.send(here, "/publish")
        assert (await checkpoint_row(at, checkpoint)).public
        assert "public" in (await at.page(f"/sandboxes/{id}/checkpoints")).text
        await at.send(here, "/unpublish")
        assert not (await checkpoint_row(at, checkpoint)).public

    work_at(test)


def test_patches_are_added_as_bash_reads_them_and_deleted() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        checkpoint = await at.checkpoint(id, "c")
        here = f"/sandboxes/{id}/checkpoints/{checkpoint}"
        await at.send(here, "/patches", script="apt-get update\r\ntrue", description="tools")
        (patch,) = await at.plane.store.patches.after(checkpoint)
        assert (patch.script, patch.description) == ("apt-get update\ntrue", "tools")
        assert "1. tools" in (await at.page(here)).text
        refused = await at.send(here, "/patches", 400, script="  ")
        assert "script must not be empty" in refused.text
        await at.send(here, f"/{patch.id}/delete")
        assert await at.plane.store.patches.after(checkpoint) == []

    work_at(test)


def test_the_tree_shows_where_a_sandbox_is_among_its_relatives() -> None:
    async def test(at: Desk) -> None:
        root = await at.create()
        first = await at.checkpoint(root, "first")
        fork = (await at.send(f"/sandboxes/{root}/checkpoints", f"/{first}/fork")).headers["location"][11:]
        gone = (await at.send(f"/sandboxes/{root}/checkpoints", f"/{first}/fork")).headers["location"][11:]
        await at.checkpoint(fork, "second")
        await at.send(f"/sandboxes/{gone}", f"/{gone}/kill")
        await at.send(f"/sandboxes/{root}/checkpoints", f"/{first}/delete")

        page = await at.page(f"/sandboxes/{fork}/checkpoints")
        tree = page.text[page.text.index('<ul class="tree">') :]
        places = [tree.index(word) for word in (root, "first", "deleted", fork, "second")]
        assert places == sorted(places)
        assert page.depths[-4:] == [1, 2, 3, 4]
        assert page.open == []
        assert f'aria-current="true">{fork}' in tree
        assert f'href="/sandboxes/{root}"' in tree
        assert gone not in tree

    work_at(test)


def test_a_tree_of_very_many_is_cut() -> None:
    async def test(at: Desk) -> None:
        id = await at.create()
        wish, organization = (await at.row(id)).wish, (await at.row(id)).org_id
        checkpoint = await at.checkpoint(id, "c")
        forks = [replace(wish, from_checkpoint=checkpoint)] * 300
        await at.plane.store.sandboxes.add(organization, forks, 1000)
        page = await at.page(f"/sandboxes/{id}/checkpoints")
        assert "only the nearest are drawn" in page.text
        assert len([depth for depth in page.depths if depth == 3]) == 198

    work_at(test)
