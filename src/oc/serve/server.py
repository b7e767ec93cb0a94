"""`oc-host server`: the control plane, not as root."""

from __future__ import annotations

from argparse import Namespace

from oc.serve import master_key, part
from oc.serve.verb import Verb
from oc.settings import Settings


def run(settings: Settings, _: Namespace) -> int:
    part.enter(settings, "server", settings.server_uid)
    master_key.ensure(settings)
    from oc.server import main  # its libraries are loaded without root's powers
    from oc.web.app import web

    main.run(settings, web)
    return 0


VERB = Verb(run)
