"""The host's classic firewall (iptables), as Docker and ufw keep it.

With a policy of DROP it cuts off interfaces that it does not know, whatever another table says of their packets.
"""

from __future__ import annotations

import shutil

from oc.host import process

WAIT = ("iptables", "-w", "30")  # seconds for its lock, which Docker holds often
ANSWERS = range(5)  # 1: no such rule; more: this kernel has no such firewall, so nothing of it is in the way


def _rules(interfaces: str) -> list[tuple[str, ...]]:
    """By chain first; none where there is no such firewall. `interfaces` may end in `+`, the wildcard (iptables(8))."""
    if not shutil.which("iptables"):
        return []
    answers = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    return [
        ("FORWARD", "-i", interfaces, "-j", "ACCEPT"),
        ("FORWARD", "-o", interfaces, *answers, "-j", "ACCEPT"),
        ("INPUT", "-i", interfaces, "-j", "ACCEPT"),
    ]


async def admit(interfaces: str) -> None:
    """Lets what our own table accepts pass chains that drop by default; nothing where none does. Idempotent.

    Raises ProgramFailed.
    """
    for rule in _rules(interfaces):
        chain = await process.run(*WAIT, "-S", rule[0], ok=ANSWERS)
        drops = chain.out.startswith(f"-P {rule[0]} DROP".encode())
        if drops and (await process.run(*WAIT, "-C", *rule, ok=ANSWERS)).code == 1:
            await process.run(*WAIT, "-I", *rule)


async def withdraw(interfaces: str) -> None:
    """Removes what `admit` has added. Raises ProgramFailed."""
    for rule in _rules(interfaces):
        while (await process.run(*WAIT, "-C", *rule, ok=ANSWERS)).code == 0:
            await process.run(*WAIT, "-D", *rule)
