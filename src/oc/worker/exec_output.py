"""What a process wrote, kept to be answered whole, within bounds."""

from __future__ import annotations

from typing import Any

from oc.wire.messages import Channel, Ending, Exited, Output

LIMIT = 16 << 20  # bytes that are kept of each output
ALLOWANCE = 256 << 20  # bytes that this worker keeps for all its buffered execs together


class Allowance:
    """Memory that transcripts share, so that many large ones at once cannot exhaust the host."""

    def __init__(self, size: int = ALLOWANCE) -> None:
        self._left = size

    def take(self, wanted: int) -> int:
        granted = min(wanted, self._left)
        self._left -= granted
        return granted

    def give_back(self, size: int) -> None:
        self._left += size


class Transcript:
    """`truncated` once bytes came that could not be kept; the process is not held up by that."""

    def __init__(self, allowance: Allowance, limit: int = LIMIT) -> None:
        self.truncated = False
        self._allowance = allowance
        self._limit = limit
        self._kept = {Channel.STDOUT: bytearray(), Channel.STDERR: bytearray()}

    def add(self, output: Output) -> None:
        kept = self._kept[Channel(output.channel)]
        granted = self._allowance.take(min(len(output.data), self._limit - len(kept)))
        kept += output.data[:granted]
        self.truncated = self.truncated or granted < len(output.data)

    def release(self) -> None:
        """Gives the memory back. Call once, when the answer is made."""
        self._allowance.give_back(sum(len(kept) for kept in self._kept.values()))
        for kept in self._kept.values():
            kept.clear()

    def body(self) -> dict[str, Any]:
        """`stdout` and `stderr`, what is not UTF-8 replaced; `truncated` only when it is so."""
        body: dict[str, Any] = {
            "stdout": self._kept[Channel.STDOUT].decode(errors="replace"),
            "stderr": self._kept[Channel.STDERR].decode(errors="replace"),
        }
        if self.truncated:
            body["truncated"] = True
        return body


def exit_code(code: int, ending: int) -> int:
    """-1 for a process that did not exit by itself (contract 2.2.1, 9.13)."""
    return code & 0xFF if ending == Ending.EXIT else -1


def result(transcript: Transcript, exited: Exited) -> dict[str, Any]:
    return {"exitCode": exit_code(exited.code, exited.ending), **transcript.body()}
