"""What an agent answers when an operation on it did not work."""

from __future__ import annotations


class AgentFailed(Exception):  # noqa: N818 - named after the message it carries
    """The agent's `Failed`: a Linux error number and a sentence for a person. Callers turn it into an answer."""

    def __init__(self, errno: int, text: str) -> None:
        super().__init__(text)
        self.errno = errno
        self.text = text


class PeerBroken(Exception):  # noqa: N818 - says what the peer is
    """The agent broke a rule of the protocol; nothing more that it says on this connection is believed."""
