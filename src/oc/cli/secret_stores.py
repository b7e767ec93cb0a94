"""Secret stores by id or by name."""

from __future__ import annotations

from oc.cli.api import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from oc.cli.api import Api

NEEDS = ("id", "name")


def target(api: Api, store: str, *rest: str) -> str:
    """The path of a store. What is no name is taken for an id: the server says whether there is one."""
    ids = {each["name"]: each["id"] for each in api.array("GET", "/secret-stores", needs=NEEDS)}
    return path("secret-stores", ids.get(store, store), *rest)


def hosts(lists: Iterable[str]) -> list[str]:
    """`A,B` is two, and so is giving the flag twice."""
    return [host.strip() for text in lists for host in text.split(",") if host.strip()]


def shown(store: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    egress = store.get("egressAllowlist") or []
    fields = [("ID", store["id"]), ("Name", store["name"])]
    return (*fields, *([("Egress", ", ".join(egress))] if egress else ()))
