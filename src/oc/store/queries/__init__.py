"""Every statement of the control plane, in one file a noun. `-- name --` begins one, comments after it describe it;
`:name` is a parameter; `(:name)` takes a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


def load() -> dict[str, str]:
    """Raises ValueError when two statements have one name."""
    found: dict[str, str] = {}
    for file in files(__name__).iterdir():
        if file.name.endswith(".sql"):
            _, *parts = _NAME.split(file.read_text("utf-8"))
            for name, sql in zip(parts[::2], parts[1::2], strict=True):
                if name in found:
                    raise ValueError(f"two statements are called {name}")
                found[name] = _COMMENT.sub("", sql).strip()
    return found


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
