"""What every command is given: how to print, and the API."""

from __future__ import annotations

import os

from oc.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import Any

    from oc.cli.api import Api


class Context:
    def __init__(self, flags: Namespace) -> None:
        self._flags = flags
        self.json: bool = flags.json

    def setting(self, name: str) -> str:
        """`api_key` or `api_url`, from where it is set first."""
        from oc.cli import config

        return config.resolve(name, getattr(self._flags, name), os.environ)

    def api(self) -> Api:
        """Raises CliError for a URL or key that cannot be."""
        from oc.cli.api import Api
        from oc.cli.origin import Origin

        return Api(Origin(self.setting("api_url")), self.setting("api_key"))

    @property
    def colour(self) -> bool:
        return not self._flags.no_color and "NO_COLOR" not in os.environ and os.isatty(output.STDOUT)

    def show(self, value: Any, human: Callable[[], None]) -> int:
        """The value itself for scripts, else what `human` prints. Gives the exit code 0."""
        if self.json:
            output.as_json(value)
        else:
            human()
        return 0
