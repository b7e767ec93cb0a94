"""`oc-host serve`: runs worker and server, each in a process of its own, until it is told to stop.

Sandboxes are nobody's child here: they run on while any of the three is down, and the next worker adopts them.
"""

from __future__ import annotations

import os
import signal
import time
from argparse import Namespace

import structlog

from oc.serve import directories, egress, fingerprint, invocation, lock, log_file, port
from oc.serve.child import Child
from oc.serve.root import need_root
from oc.serve.verb import Verb
from oc.settings import Settings

PARTS = ("worker", "server", "egress")  # in the order in which they start
STOP = {signal.SIGTERM, signal.SIGINT}
SIGNALS = {*STOP, signal.SIGCHLD}
LOOK_EVERY_S = 30.0  # at the size of the log
GRACE_S = 10.0

log = structlog.get_logger()


def run(settings: Settings, _: Namespace) -> int:
    need_root(settings, "oc-host serve")
    log_file.configure()
    directories.prepare(settings)
    lock.of(settings.run_dir, "service").hold()
    parts = [name for name in PARTS if name != "egress" or egress.available(settings)]
    for name in PARTS:  # of a supervisor that was killed; they had the signal to end from the kernel
        lock.of(settings.run_dir, name).end_holder(GRACE_S)
    port.check_free(settings.listen)
    fingerprint.record(settings)
    children = [Child(name, invocation.variables(settings), time.monotonic) for name in parts]
    try:
        _supervise(children)
    finally:
        for child in reversed(children):
            child.stop(GRACE_S)
    return 0


def _supervise(children: list[Child]) -> None:
    """Returns when it is asked to end.

    Signals are blocked and fetched: none can come between a look and the wait that follows it (sigtimedwait(2)).
    Children unblock them first thing.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    log.info("supervising", pid=os.getpid())
    while True:
        for child in children:
            child.tend()
        log_file.limit()
        received = signal.sigtimedwait(SIGNALS, _wait_s(children))
        if received is not None and received.si_signo in STOP:
            log.info("stopping", signal=received.si_signo)
            return


def _wait_s(children: list[Child]) -> float:
    return min([LOOK_EVERY_S, *(wait for child in children if (wait := child.wait_s()) is not None)])


VERB = Verb(run)
