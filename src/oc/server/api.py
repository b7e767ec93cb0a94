"""The calls of the API (`oc.api.calls`) and who answers each; to be put behind a door."""

from __future__ import annotations

from starlette.routing import BaseRoute

from oc.api.calls import PREFIX
from oc.server.audit_calls import AuditCalls
from oc.server.channel import Channel
from oc.server.checkpoints import CheckpointCalls
from oc.server.egress_calls import EgressCalls
from oc.server.forks import ForkCalls
from oc.server.gate import Gate
from oc.server.identity import who_am_i
from oc.server.making import Making
from oc.server.patches import PatchCalls
from oc.server.plane import Plane
from oc.server.power import PowerCalls
from oc.server.previews import PreviewCalls
from oc.server.relay import Relay
from oc.server.routes import Admit, Handler, routes
from oc.server.sandboxes import SandboxCalls
from oc.server.scaling_calls import ScalingCalls
from oc.server.secret_stores import SecretStoreCalls


class Api:
    def __init__(self, plane: Plane) -> None:
        self.gate = Gate(plane.store.sandboxes, plane.changes, plane.sleep, plane.restores)
        self.relay = Relay(plane.worker, self.gate, plane.activity)
        self.channel = Channel(plane.worker, self.gate, plane.activity)
        self.handlers = _handlers(plane, self.gate)
        self._trail = plane.trail

    def routes(self, door: Admit, prefix: str = PREFIX) -> list[BaseRoute]:
        """`door` says whose a request is, and refuses it when it is nobody's."""
        return routes(self.handlers, self.relay, self.channel, door, self._trail, prefix)


def _handlers(plane: Plane, gate: Gate) -> dict[str, Handler]:
    """By name of call, of those that the control plane answers itself."""
    making = Making(plane.store, plane.lifecycle)
    return {
        "whoAmI": who_am_i,
        "listAudit": AuditCalls(plane.store.audit).list,
        **_of_sandboxes(plane, gate, making),
        **_of_power(plane, gate),
        **_of_checkpoints(plane, gate, making),
        **_of_previews(plane, gate),
        **_of_secrets(plane),
        **_of_egress(plane, gate),
        **_of_scaling(plane, gate),
    }


def _of_sandboxes(plane: Plane, gate: Gate, making: Making) -> dict[str, Handler]:
    calls = SandboxCalls(
        plane.settings, plane.store, plane.worker, plane.lifecycle, gate, plane.activity, making, plane.governing
    )
    return {
        "createSandbox": calls.create,
        "listSandboxes": calls.list,
        "getSandbox": calls.get,
        "killSandbox": calls.kill,
        "setTimeout": calls.set_timeout,
    }


def _of_power(plane: Plane, gate: Gate) -> dict[str, Handler]:
    sandboxes = plane.store.sandboxes
    calls = PowerCalls(plane.settings, sandboxes, plane.worker, plane.changes, plane.sleep, gate, plane.activity)
    return {
        "hibernateSandbox": calls.hibernate,
        "wakeSandbox": calls.wake,
        "rebootSandbox": calls.reboot,
        "powerCycleSandbox": calls.reboot,
    }


def _of_checkpoints(plane: Plane, gate: Gate, making: Making) -> dict[str, Handler]:
    calls = CheckpointCalls(plane.store, plane.checkpointing, plane.restores, gate, plane.activity)
    forks = ForkCalls(plane.settings, plane.store, plane.worker, plane.checkpointing, making, plane.governing)
    patches = PatchCalls(plane.store, plane.checkpointing)
    return {
        "createCheckpoint": calls.create,
        "listCheckpoints": calls.list,
        "deleteCheckpoint": calls.delete,
        "restoreCheckpoint": calls.restore,
        "publishCheckpoint": calls.publishing(True),
        "unpublishCheckpoint": calls.publishing(False),
        "forkCheckpoint": forks.fork,
        "createPatch": patches.create,
        "listPatches": patches.list,
        "deletePatch": patches.delete,
    }


def _of_previews(plane: Plane, gate: Gate) -> dict[str, Handler]:
    calls = PreviewCalls(plane.settings, plane.store, gate)
    return {
        "createPreview": calls.create,
        "listPreviews": calls.list,
        "rotatePreviewToken": calls.rotate,
        "deletePreview": calls.delete,
    }


def _of_secrets(plane: Plane) -> dict[str, Handler]:
    calls = SecretStoreCalls(plane.store.secret_stores, plane.vault, plane.governing)
    return {
        "createSecretStore": calls.create,
        "listSecretStores": calls.list,
        "getSecretStore": calls.get,
        "changeSecretStore": calls.change,
        "deleteSecretStore": calls.delete,
        "listSecrets": calls.secrets,
        "setSecret": calls.set,
        "deleteSecret": calls.delete_secret,
    }


def _of_egress(plane: Plane, gate: Gate) -> dict[str, Handler]:
    calls = EgressCalls(plane.store.sandboxes, plane.governing, plane.worker, gate, plane.changes)
    return {
        "showAllowedHosts": calls.allowed_hosts,
        "showEgress": calls.show,
        "setEgress": calls.set,
        "clearEgress": calls.clear,
        "listRefusals": calls.refusals,
    }


def _of_scaling(plane: Plane, gate: Gate) -> dict[str, Handler]:
    calls = ScalingCalls(plane.settings, plane.store.scaling, plane.worker, plane.scaling, gate, plane.activity)
    return {
        "scaleSandbox": calls.scale,
        "getAutoscale": calls.get_autoscale,
        "setAutoscale": calls.set_autoscale,
        "getScalingLock": calls.get_lock,
        "setScalingLock": calls.set_lock,
    }
