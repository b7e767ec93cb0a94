"""Reads `queries.sql`: each statement has a name and a description."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


def load() -> dict[str, str]:
    text = files("oc.store").joinpath("queries.sql").read_text("utf-8")
    _, *parts = _NAME.split(text)
    return {name: _COMMENT.sub("", sql).strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}


QUERIES = load()


def bind(name: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The statement and its parameters, with each list spread: `(:states)` becomes `(:states_0, :states_1)`."""
    sql, bound = QUERIES[name], dict[str, Any]()
    for key, value in parameters.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            spread = {f"{key}_{index}": item for index, item in enumerate(value)}
            sql = sql.replace(f"(:{key})", "(" + ", ".join(f":{each}" for each in spread) + ")")
            bound |= spread
        else:
            bound[key] = value
    return sql, bound
