"""Questions of governed sandboxes to the resolver: names that they may not reach are not asked for, so that DNS itself
carries nothing out; answers are remembered for the proxy before they are given."""

from __future__ import annotations

import logging

from oc.worker import dns
from oc.worker.governing import Governing
from oc.worker.violations import Violations

DNS_PORT = 53
TYPE_SVCB, TYPE_HTTPS = 64, 65  # RFC 9460: they carry addresses, and keys that would hide the name from the proxy
WITHHELD = frozenset((dns.TYPE_AAAA, TYPE_SVCB, TYPE_HTTPS))

log = logging.getLogger(__name__)


class Screening:
    def __init__(self, governing: Governing, violations: Violations) -> None:
        self._governing = governing
        self._violations = violations

    def before(self, client: str, query: dns.Query) -> bytes | None:
        """An answer in place of the name servers'; None: they are to be asked."""
        policy = self._governing.of(client)
        if policy is None:
            return None
        if not policy.permits(query.name):
            self._violations.note(policy.sandbox, query.name, DNS_PORT, "the name may not be looked up")
            return query.refused()
        return query.nothing() if query.type in WITHHELD else None

    def after(self, client: str, query: dns.Query, answer: bytes) -> None:
        if self._governing.of(client) is None or query.type != dns.TYPE_A:
            return
        try:
            self._governing.pin(client, query.name, dns.addresses(answer))
        except ValueError as error:
            log.debug("an answer about %s cannot be read: %s", query.name, error)
