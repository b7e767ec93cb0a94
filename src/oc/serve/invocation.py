"""How one `oc-host` starts another with the settings that it has itself."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

from oc.settings import Settings, load

PROGRAM = Path(sys.executable).with_name("oc-host")


def argv(verb: str, *arguments: str) -> list[str]:
    return [sys.executable, str(PROGRAM), verb, *arguments]


def variables(settings: Settings) -> dict[str, str]:
    """The environment variables from which `load` makes the same settings: those that file and defaults do not give.

    The settings file is read again by whoever starts, so that a change of it counts from the next start on.
    """
    config = {"OC_CONFIG": os.environ["OC_CONFIG"]} if "OC_CONFIG" in os.environ else {}
    base = load(environ=config)
    changed = {
        f"OC_{field.name.upper()}": str(value)
        for field in dataclasses.fields(Settings)
        if (value := getattr(settings, field.name)) != getattr(base, field.name)
    }
    return config | changed
