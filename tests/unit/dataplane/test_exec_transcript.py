"""How much of a process's output is kept."""

from __future__ import annotations

import pytest

from oc.wire.messages import Channel, Ending, Exited, Output
from oc.worker.exec_output import Allowance, Transcript, exit_code, result


def test_both_outputs_are_kept_apart_and_bad_utf8_is_replaced() -> None:
    transcript = Transcript(Allowance())
    transcript.add(Output(Channel.STDOUT, 0, b"a\xff"))
    transcript.add(Output(Channel.STDERR, 2, b"e"))
    transcript.add(Output(Channel.STDOUT, 3, "ü".encode()))
    assert result(transcript, Exited(3, Ending.EXIT, 0)) == {"exitCode": 3, "stdout": "a\ufffdü", "stderr": "e"}


def test_what_is_above_the_limit_is_dropped_and_said() -> None:
    transcript = Transcript(Allowance(), limit=4)
    transcript.add(Output(Channel.STDOUT, 0, b"abcdef"))
    assert transcript.body() == {"stdout": "abcd", "stderr": "", "truncated": True}


def test_transcripts_share_one_allowance() -> None:
    allowance = Allowance(5)
    first, second = Transcript(allowance), Transcript(allowance)
    first.add(Output(Channel.STDOUT, 0, b"abc"))
    second.add(Output(Channel.STDOUT, 0, b"abc"))
    assert second.body() == {"stdout": "ab", "stderr": "", "truncated": True}
    first.release()
    second.add(Output(Channel.STDERR, 3, b"xyz"))
    assert second.body()["stderr"] == "xyz"


@pytest.mark.parametrize(
    ("code", "ending", "shown"),
    [
        (7, Ending.EXIT, 7),
        (0, Ending.SIGNAL, -1),
        (0, Ending.TIMEOUT, -1),
        (9, Ending.MEMORY, -1),
        (1 << 31, Ending.EXIT, 0),
    ],
)
def test_exit_code(code: int, ending: int, shown: int) -> None:
    assert exit_code(code, ending) == shown
