"""Governed sandboxes: what each may send, where the egress proxy and the resolver look it up (decision 0014).

A file named by the sandbox's id says what is wanted; one named by its address is there while it has that address, and
the address is in a set of the filter, which lets nothing out but through the proxy. All of it is in memory: it goes
with the host's power, and so do the sandboxes.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from oc.host import nft, threads
from oc.model.egress import Policy
from oc.model.ids import SANDBOX

SET = "governed"  # of the filter's table
MOST_PINS = 4096  # addresses that are remembered for one sandbox
NAMES_PER_PIN = 16


class Governing:
    def __init__(self, directory: Path, group: int, table: str) -> None:
        self._directory = directory
        self._group = group
        self._table = table
        self._policies: dict[str, Policy] = {}  # by address
        self._pins: dict[str, dict[str, list[str]]] = {}  # by the address of the sandbox

    def open(self, attached: dict[str, str]) -> None:
        """`attached`: addresses by id, of what a former worker left. Blocking."""
        self._directory.mkdir(parents=True, exist_ok=True)
        os.chown(self._directory, 0, self._group)
        self._directory.chmod(0o750)
        for path in self._directory.iterdir():
            if path.name.startswith(".") or not self._belongs(path.name.removesuffix(".json"), attached):
                path.unlink()
        for id, address in attached.items():
            if (policy := self.policy(id)) is not None:
                self._bind(address, policy)

    def _belongs(self, name: str, attached: dict[str, str]) -> bool:
        """Files of ids are kept until their sandbox is removed: it may be about to be made."""
        return bool(SANDBOX.fullmatch(name)) or name.removesuffix(".pins") in attached.values()

    @property
    def addresses(self) -> list[str]:
        return list(self._policies)

    def of(self, address: str) -> Policy | None:
        return self._policies.get(address)

    def policy(self, id: str) -> Policy | None:
        """What is wanted for a sandbox; None: it is not governed."""
        try:
            return msgspec.json.decode(self._file(id).read_bytes(), type=Policy)
        except FileNotFoundError:
            return None

    async def put(self, policy: Policy, address: str | None) -> None:
        """`address`: the sandbox's, if it is attached. Before this returns, it holds for new connections."""
        await threads.call(self._write, self._file(policy.sandbox), msgspec.json.encode(policy))
        if address is not None:
            await self.bind(policy.sandbox, address)

    async def bind(self, id: str, address: str) -> bool:
        """Before its first packet can leave. False: it is not governed."""
        policy = await threads.call(self.policy, id)
        if policy is None:
            return False
        await threads.call(self._bind, address, policy)
        await nft.add_element(self._table, SET, address)
        return True

    def _bind(self, address: str, policy: Policy) -> None:
        if (before := self._policies.get(address)) is not None and before.sandbox != policy.sandbox:
            self._forget(address)
        self._policies[address] = policy
        self._write(self._file(address), msgspec.json.encode(policy))

    async def release(self, address: str) -> None:
        """After its last packet has left; fine when it was not governed."""
        if address in self._policies:
            await nft.remove_element(self._table, SET, address)
            await threads.call(self._forget, address)

    def _forget(self, address: str) -> None:
        self._policies.pop(address, None)
        self._pins.pop(address, None)
        for name in (address, f"{address}.pins"):
            self._file(name).unlink(missing_ok=True)

    async def drop(self, id: str) -> None:
        """The sandbox is no more."""
        await threads.call(self._file(id).unlink, missing_ok=True)

    # --- what the resolver has answered ---

    def pin(self, address: str, name: str, answers: list[str]) -> None:
        """The sandbox at `address` has been told that `name` has these addresses. Blocking, in memory only."""
        pins = self._pins.setdefault(address, {})
        fresh = [answer for answer in answers if name not in pins.get(answer, ())]
        for answer in fresh:
            names = pins.pop(answer, [])
            pins[answer] = [*names, name][-NAMES_PER_PIN:]
        while len(pins) > MOST_PINS:
            pins.pop(next(iter(pins)))
        if fresh:
            self._write(self._file(f"{address}.pins"), msgspec.json.encode(pins))

    # --- files ---

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def _write(self, path: Path, data: bytes) -> None:
        """Whole or not at all, for the proxy only. Nothing here outlives the host's power, so nothing is synced."""
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400), "wb") as file:
            os.fchown(file.fileno(), 0, self._group)
            os.fchmod(file.fileno(), 0o440)
            file.write(data)
        try:
            fresh.replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            raise
