"""What a verb of `oc-host` is."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from oc.settings import Settings


def _no_arguments(_: ArgumentParser) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Verb:
    """`run` returns the exit code; it may raise errors of `model.errors`, which are printed with their hints."""

    run: Callable[[Settings, Namespace], int]
    arguments: Callable[[ArgumentParser], None] = _no_arguments
