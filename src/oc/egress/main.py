"""The process: `python -m oc.egress`. Started by `oc-host egress`, under a user of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from oc.egress import ca, log

DESCRIPTORS = 65536  # two for each connection of a sandbox
BACKLOG = 1024


def main(argv: list[str] | None = None) -> int:
    for name in ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE"):  # mitmproxy would write the keys of all connections there
        os.environ.pop(name, None)
    arguments = parser().parse_args(argv)
    log.start()
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, most), most))
    asyncio.run(run(arguments))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="oc.egress", description="The way out of governed sandboxes.")
    made.add_argument("--directory", type=Path, required=True, help="policies and pins, one file each a sandbox")
    made.add_argument("--events", type=Path, required=True, help="datagram socket that is told of refusals")
    made.add_argument("--state", type=Path, required=True, help="the certificate authority's directory")
    made.add_argument("--explicit", type=endpoint, required=True, metavar="HOST:PORT", help="for CONNECT")
    made.add_argument("--transparent", type=endpoint, required=True, metavar="HOST:PORT", help="for what is redirected")
    made.add_argument("--upstream-ca", type=Path, help="more authorities (PEM) that servers may have certificates of")
    made.add_argument("--hosts", type=Path, help="names and addresses, as hosts(5), asked before DNS")
    made.add_argument("--dns", default="", metavar="ADDRESS,...", help="name servers, in place of the host's")
    made.add_argument(
        "--private", type=networks, default=(), metavar="NETWORK,...", help="what policies may open beside the internet"
    )
    return made


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(word) for word in text.split(",") if word)


def endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def run(arguments: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT."""
    from mitmproxy_rs.dns import DnsResolver

    from oc.egress.events import Events
    from oc.egress.gate import Gate  # late: mitmproxy must not see the variables that main() takes away
    from oc.egress.http_layers import install
    from oc.egress.live import Live
    from oc.egress.pins import Pins
    from oc.egress.policy import Policies
    from oc.egress.resolver import Resolver

    install()
    options, tls = settings(ca.prepare(arguments.state), ca.trusted(arguments.state, arguments.upstream_ca))
    asked = DnsResolver(name_servers=arguments.dns.split(","), use_hosts_file=False) if arguments.dns else None
    resolver = Resolver(arguments.hosts, asked)
    policies = Policies(arguments.directory, arguments.private)
    gate = Gate(policies, Pins(arguments.directory), resolver, Events(arguments.events), Live(), options, tls)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(failed)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    servers = [
        await asyncio.start_server(serve, *where, backlog=BACKLOG)
        for serve, where in ((gate.explicit, arguments.explicit), (gate.transparent, arguments.transparent))
    ]
    checks = asyncio.create_task(gate.check_for_ever())
    log.write("info", "ready", explicit=where_at(servers[0]), transparent=where_at(servers[1]))
    await ended.wait()
    checks.cancel()
    for server in servers:
        server.close()
    gate.resolver.close()
    gate.events.close()
    log.write("info", "stopped")


def settings(confdir: Path, trusted: Path) -> tuple[Any, Any]:
    """mitmproxy's options, and its addon for TLS."""
    from mitmproxy.addons.proxyserver import Proxyserver
    from mitmproxy.addons.tlsconfig import TlsConfig
    from mitmproxy.master import Master
    from mitmproxy.options import Options

    options, tls = Options(), TlsConfig()
    master = Master(options)
    master.addons.add(Proxyserver(), tls)
    options.update(
        confdir=str(confdir),
        ssl_verify_upstream_trusted_ca=str(trusted),
        upstream_cert=False,  # a certificate for the one name that the client asked for
        connection_strategy="eager",
    )
    return options, tls


def where_at(server: asyncio.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"{host}:{port}"


def failed(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    trace = error.__traceback__ if error else None
    log.write("error", "task failed", error=type(error).__name__, at=log.place(trace))
