"""Which output of a terminal is new to those who come."""

from __future__ import annotations

from oc.worker.pty_attach import Unread

ONE, OTHER = ("sb-1", "0000000a"), ("sb-2", "0000000a")


def test_it_goes_by_who_has_seen_most() -> None:
    unread = Unread()
    unread.seen(*ONE, 10)
    unread.seen(*ONE, 4)
    assert (unread.offset(*ONE), unread.offset(*OTHER)) == (10, 0)


def test_the_longest_unused_is_forgotten() -> None:
    unread = Unread(most=2)
    for name in (ONE, OTHER, ONE, ("sb-3", "0000000a")):
        unread.seen(*name, 7)
    assert (unread.offset(*ONE), unread.offset(*OTHER)) == (7, 0)
