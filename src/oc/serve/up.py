"""`oc-host up`: from an installed program to a first sandbox. Each step looks whether its work is done already."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from argparse import Namespace

from oc.model.errors import Failed, NotSupported
from oc.serve import directories, egress, fingerprint, hello, invocation, link, lock, port, probe, service
from oc.serve.client_config import ClientConfig
from oc.serve.root import need_root, person
from oc.serve.step import progress, step
from oc.serve.verb import Verb
from oc.settings import Settings
from oc.worker.assembly import assemble

START_S = 120.0  # until server and worker answer
LOOK_EVERY_S = 0.1
SETTLE_S = 10.0  # until the supervisor has taken its lock
KEY_NAME = "oc-host up"


def run(settings: Settings, _: Namespace) -> int:
    need_root(settings, "make up")
    check_host(settings)
    directories.prepare(settings)
    url = port.url(settings.listen)
    if runs(settings) and fingerprint.is_current(settings):
        print(f"\n==> The service runs already, at {url}", flush=True)
        wait_ready(settings, url)
    else:
        if not runs(settings):
            port.check_free(settings.listen)
            make_image(settings)
        with step("Service", "server (API, not root) and worker (sandboxes), in the background"):
            service.start(settings)
            wait_ready(settings, url)
    give_key(settings, url)
    link_commands(settings)
    hello.say(settings, url)
    return 0


def check_host(settings: Settings) -> None:
    """Raises NotSupported with the way out, before anything is made."""
    if settings.runtime == "fake":
        return
    if not shutil.which("runsc"):
        raise NotSupported(
            "runsc (gVisor), which isolates sandboxes, is not installed",
            hint="make up installs it from the distribution's packages; or put your own on PATH",
        )
    if not settings.agent.is_file():
        raise NotSupported(f"the agent {settings.agent} is not built", hint="make -C agent, or set agent")


def runs(settings: Settings) -> bool:
    return lock.of(settings.run_dir, "service").holder() is not None


def make_image(settings: Settings) -> None:
    egress.prepare(settings)
    with step("Base image", "the disk that every sandbox begins as; made once, then kept (some minutes)"):
        asyncio.run(assemble(settings).images.ensure(progress))


def wait_ready(settings: Settings, url: str) -> None:
    """An image in the making is waited for. Raises Failed, with the service's last words, when it ends or is silent."""
    started = time.monotonic()
    deadline, said = started + START_S, None
    while not _is_ready(settings, url):
        detail = (probe.worker(settings.worker_socket) or {}).get("detail")
        if detail is not None and detail != said:
            progress(said := str(detail))
            deadline = time.monotonic() + START_S
        now = time.monotonic()
        if now > deadline or (now > started + SETTLE_S and not runs(settings)):
            raise Failed(
                f"the service does not answer at {url}. Its last lines:\n{service.words(settings)}",
                hint=f"oc-host doctor; {service.where_logs_are(settings)}",
            )
        time.sleep(LOOK_EVERY_S)


def _is_ready(settings: Settings, url: str) -> bool:
    worker = probe.worker(settings.worker_socket)
    return worker is not None and worker.get("status") == "ok" and probe.ready(url)


# --- the command line -------------------------------------------------------------------------------------------------


def give_key(settings: Settings, url: str) -> None:
    """A key that works stays. One for another server is kept beside the new one, as it cannot be had again."""
    config = ClientConfig(person())
    values = config.read()
    if values.get("api_key") and values.get("api_url", url) == url and probe.key_works(url, str(values["api_key"])):
        return
    with step("API key", f"for the command line of {config.owner.name}, in {config.path} (readable by nobody else)"):
        if values.get("api_key") and values.get("api_url", url) != url:
            config.write(values, name="config.json.before-up")
            progress(f"the former settings, for {values['api_url']}, are kept in {config.path}.before-up")
        login_of_former_key = {"login"}
        kept = {name: value for name, value in values.items() if name not in login_of_former_key}
        config.write(kept | {"api_url": url, "api_key": _new_key(settings)})


def _new_key(settings: Settings) -> str:
    """By a process of its own, which becomes the server's user for good."""
    argv = invocation.argv("keys", "create", "--name", KEY_NAME)
    environment = os.environ | invocation.variables(settings)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"no API key could be made: {done.stderr.strip()}")
    return done.stdout.strip()


def link_commands(settings: Settings) -> None:
    link.mark(settings)
    for sentence in link.link_commands(settings.bin_dir):
        progress(f"note: {sentence}")
    if not link.reachable(person().uid):
        progress(f"note: {person().name} cannot reach {link.program('oc')}; move the checkout to where they can")


VERB = Verb(run)
