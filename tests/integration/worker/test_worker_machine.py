"""Any order of what can be asked of a worker, and of its deaths, leaves what a model in memory says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from oc.worker.shelf import Shelf
from tests.integration.worker.house import House, spec

SLOTS = [f"sb-0000000{number}" for number in range(1, 6)]
MARK = "mark"


@dataclass
class Living:
    spec: dict[str, Any]
    value: str | None  # of the file on its disk; None: there is none
    frozen: bool = False

    @property
    def state(self) -> str:
        return "frozen" if self.frozen else "running"


@dataclass(frozen=True)
class Saved:
    value: str | None
    memory: bool


class Machine(RuleBasedStateMachine):
    """Sandbox ids are used again, so what one has left is met by the next. Any artifact may be restored anywhere."""

    def __init__(self, agent: Path) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(prefix="oc-")
        self.house = House(Path(self.directory.name), agent)
        self.living: dict[str, Living] = {}
        self.asleep: dict[str, str] = {}  # sandbox to the artifact that it wakes from
        self.saved: dict[str, Saved] = {}
        self.count = 0
        self.house.start()

    def teardown(self) -> None:
        self.house.clear()
        self.house.wait_for(lambda: not self.house.processes())
        self.directory.cleanup()

    def deeds(self) -> dict[str, bool]:
        """Whether they can be done now. Hypothesis' first example does the first that can be, each time."""
        some, saved, free = bool(self.living), bool(self.saved), bool(self.free())
        return {
            "wake": bool(self.asleep),
            "hibernate": some,
            "create": free,
            "restore": some and saved,
            "fork": saved and free,
            "checkpoint": some,
            "write": some,
            "freeze": some,
            "thaw": some,
            "reboot": some,
            "remove": some,
            "restart": True,
            "delete_artifact": saved,
        }

    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        """One rule for all: of many, hypothesis switches some off in each example, and there are few examples."""
        deed = data.draw(st.sampled_from([deed for deed, possible in self.deeds().items() if possible]))
        getattr(self, deed)(data)

    def free(self) -> list[str]:
        return [id for id in SLOTS if id not in self.living and id not in self.asleep]

    def next_artifact(self) -> str:
        self.count += 1
        return f"{self.count:08x}-0000-4000-8000-000000000000"

    def post(self, id: str, deed: str, **body: Any) -> Any:
        return ok(self.house.http.post(f"/sandboxes/{id}/{deed}", json=body)).json()

    # --- deeds ---

    def create(self, _: st.DataObject) -> None:
        id = self.free()[0]
        self.house.create(id)
        self.living[id] = Living(spec(id), None)

    def write(self, data: st.DataObject) -> None:
        self.write_to(one(data, self.living))

    def write_to(self, id: str) -> None:
        """What nobody has written yet."""
        self.count += 1
        self.living[id].value = str(self.count)
        self.mark(id).write_text(str(self.count))

    def checkpoint(self, data: st.DataObject) -> None:
        id, artifact, memory = one(data, self.living), self.next_artifact(), data.draw(st.booleans())
        answer = self.post(id, "checkpoint", artifact=artifact, memory=memory)
        assert (answer["id"], answer["sandbox"], answer["memory"]) == (artifact, id, memory)
        self.living[id].frozen = False
        self.saved[artifact] = Saved(self.living[id].value, memory)
        self.write_to(id)

    def restore(self, data: st.DataObject) -> None:
        id, artifact = one(data, self.living), one(data, self.saved)
        saved = self.saved[artifact]
        self.post(id, "restore", artifact=artifact, memory=saved.memory)
        self.living[id] = Living(self.living[id].spec, saved.value)

    def fork(self, data: st.DataObject) -> None:
        """Memory that was not saved is refused, and nothing is left."""
        id, artifact, memory = self.free()[0], one(data, self.saved), data.draw(st.booleans())
        wanted, saved = from_artifact(id, artifact, memory), self.saved[artifact]
        answer = self.house.put(wanted)
        if memory and not saved.memory:
            assert answer.status_code == 409, answer.text
        else:
            assert ok(answer).json()["state"] == "running"
            self.living[id] = Living(wanted, saved.value)

    def freeze(self, data: st.DataObject) -> None:
        id = one(data, self.living)
        self.post(id, "freeze")
        self.living[id].frozen = True

    def thaw(self, data: st.DataObject) -> None:
        id = one(data, self.living)
        assert ok(self.house.put(self.living[id].spec)).json()["state"] == "running"
        self.living[id].frozen = False
        assert self.house.sh("hostname", id) == f"{id}\n"

    def hibernate(self, data: st.DataObject) -> None:
        id, artifact = one(data, self.living), self.next_artifact()
        assert self.post(id, "hibernate", artifact=artifact)["id"] == artifact
        self.asleep[id] = artifact
        self.saved[artifact] = Saved(self.living.pop(id).value, True)

    def wake(self, data: st.DataObject) -> None:
        id = one(data, self.asleep)
        artifact = self.asleep.pop(id)
        wanted = from_artifact(id, artifact)
        assert ok(self.house.put(wanted)).json()["state"] == "running"
        self.living[id] = Living(wanted, self.saved[artifact].value)

    def reboot(self, data: st.DataObject) -> None:
        id = one(data, self.living)
        self.post(id, "reboot")
        self.living[id].frozen = False

    def remove(self, data: st.DataObject) -> None:
        id = one(data, self.living)
        self.house.remove(id)
        del self.living[id]

    def restart(self, data: st.DataObject) -> None:
        """Cold: the cache of artifacts is as empty as the worker would ever make it."""
        cold = data.draw(st.booleans())
        if cold:
            self.house.wait_for(self.all_stored)
        self.house.end()
        if cold:
            shelf = Shelf(self.house.data / "pool" / "artifacts")
            for artifact in self.saved:
                shelf.drop(artifact)
        self.house.start()

    def delete_artifact(self, data: st.DataObject) -> None:
        artifact = one(data, self.saved)
        self.house.wait_for(self.all_stored)
        self.house.wait_for(lambda: self.deleted(artifact))
        del self.saved[artifact]
        self.asleep = {id: origin for id, origin in self.asleep.items() if origin != artifact}
        for id in self.free()[:1]:
            ok(self.house.put(from_artifact(id, artifact)), 404)

    def deleted(self, artifact: str) -> bool:
        """It is refused for as long as the worker is about to let go of it."""
        answer = self.house.http.delete(f"/artifacts/{artifact}")
        return answer.status_code != 503 and ok(answer, 204).is_success

    # --- what is always true ---

    @invariant()
    def states_are_the_model_s(self) -> None:
        seen = {each.pop("id"): each for each in ok(self.house.http.get("/sandboxes")).json()}
        quiet = {"reason": None, "memory_kills": 0}
        assert seen == {id: {"state": living.state, **quiet} for id, living in self.living.items()}

    @invariant()
    def disks_are_the_model_s(self) -> None:
        values = {id: self.mark(id).read_text() if self.mark(id).exists() else None for id in self.living}
        assert values == {id: living.value for id, living in self.living.items()}

    @invariant()
    def nothing_is_left_of_others(self) -> None:
        stray = {what for what in self.house.left() if not any(id in what for id in self.living)}
        assert stray == set()

    @invariant()
    def artifacts_are_the_model_s(self) -> None:
        assert self.artifacts().keys() == self.saved.keys()
        assert {each["state"] for each in self.artifacts().values()} <= {"storing", "stored"}

    def artifacts(self) -> dict[str, Any]:
        return {each["id"]: each for each in ok(self.house.http.get("/artifacts")).json()}

    def all_stored(self) -> bool:
        return all(each["state"] == "stored" for each in self.artifacts().values())

    def mark(self, id: str) -> Path:
        """On the sandbox's disk, which is a directory here."""
        return self.house.data / "pool" / "disks" / id / MARK


def one(data: st.DataObject, among: Iterable[str]) -> str:
    return data.draw(st.sampled_from(sorted(among)))


def ok(answer: httpx.Response, status: int = 200) -> httpx.Response:
    assert answer.status_code == status, answer.text
    return answer


def from_artifact(id: str, artifact: str, memory: bool = True) -> dict[str, Any]:
    return spec(id, origin={"kind": "checkpoint", "id": artifact, "memory": memory})


def test_worker_is_as_its_model_says(agent: Path) -> None:
    """The same steps each time. A failure is not made smaller: each step costs a process or two."""
    bounded = settings(
        max_examples=4,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Machine(agent), settings=bounded)  # type: ignore[arg-type]  # it takes a function
