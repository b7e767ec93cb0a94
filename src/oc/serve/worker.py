"""`oc-host worker`: what runs the sandboxes of this host, as root."""

from __future__ import annotations

from argparse import Namespace

from oc.serve import egress, part
from oc.serve.root import need_root
from oc.serve.verb import Verb
from oc.settings import Settings


def run(settings: Settings, _: Namespace) -> int:
    need_root(settings, "oc-host worker")
    part.enter(settings, "worker")
    egress.prepare(settings)
    from oc.worker import main

    main.run(settings)
    return 0


VERB = Verb(run)
