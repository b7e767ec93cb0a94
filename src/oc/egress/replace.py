"""Replacing words in a stream, however it is cut into pieces."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

BLOCK = 4
FEW = 64
FILTERED = 2 * BLOCK - 1  # a word of this length has a whole aligned block in it, wherever it lies


class Words:
    """What is replaced by what. At one place the longest word wins, of places the first: as `re.sub` would do."""

    def __init__(self, replacements: Mapping[bytes, bytes]) -> None:
        self.replacements = replacements
        self.longest = max(map(len, replacements), default=0)
        self.short = [word for word in replacements if len(word) < FILTERED]
        self.by_block: dict[int, set[bytes]] = defaultdict(set)
        self.by_start: dict[bytes, list[bytes]] = defaultdict(list)
        for word in replacements:
            for length in {1, min(2, len(word))}:
                self.by_start[word[:length]].append(word)
            for offset in range(BLOCK if len(word) >= FILTERED else 0):
                self.by_block[int.from_bytes(word[offset : offset + BLOCK], sys.byteorder)].add(word)
        self.blocks = frozenset(self.by_block)
        self.first = one_of(word[:1] for word in replacements)

    def find(self, data: bytes) -> re.Pattern[bytes]:
        """Of the words that are in these data.

        One pattern of all words takes 1 MB/s for ten secrets: most characters may begin one. Looking for each word is
        the fastest for few; for many, every fourth byte with the three after it is looked up, whatever their number.
        """
        return one_of(word for word in self.near(data) if word in data)

    def near(self, data: bytes) -> Iterable[bytes]:
        if len(self.replacements) <= FEW:
            return self.replacements
        blocks = self.blocks.intersection(memoryview(data[: len(data) // BLOCK * BLOCK]).cast("I"))
        return set[bytes]().union(self.short, *(self.by_block[block] for block in blocks))

    def whole(self, data: bytes) -> bytes:
        return self.find(data).sub(lambda match: self.replacements[match[0]], data)

    def may_begin(self, data: bytes, start: int) -> bool:
        """All that follows `start` is the beginning of a longer word."""
        words = self.by_start.get(data[start : start + 2])
        return words is not None and any(
            len(word) > len(data) - start and word.startswith(data[start:]) for word in words
        )

    def undecided(self, data: bytes, start: int) -> int:
        """From where on only more data can tell; the end if nothing is open."""
        near_end = max(start, len(data) - self.longest + 1)
        places = (match.start() for match in self.first.finditer(data, near_end))
        return next((place for place in places if self.may_begin(data, place)), len(data))


class Stream:
    """One stream. `finish` ends it, or gives up waiting for more: what was held back goes out as it is."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.held = b""

    def feed(self, piece: bytes) -> bytes:
        """What is certain by now. No more is held back than the beginning of a word at the very end."""
        data = self.held + piece
        find = self.words.find(data)
        undecided = self.words.undecided(data, 0)
        out: list[bytes] = []
        position = 0
        while (match := find.search(data, position)) and match.start() < undecided:
            out += (data[position : match.start()], self.words.replacements[match[0]])
            position = match.end()
            if position > undecided:  # a word that was complete reached into what looked like a beginning
                undecided = self.words.undecided(data, position)
        self.held = data[undecided:]
        out.append(data[position:undecided])
        return b"".join(out)

    def finish(self) -> bytes:
        rest, self.held = self.words.whole(self.held), b""
        return rest


def one_of(words: Iterable[bytes]) -> re.Pattern[bytes]:
    return compiled(tuple(sorted(set(words), key=lambda word: (-len(word), word))))


@lru_cache(256)
def compiled(words: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(map(re.escape, words)) if words else b"(?!)")
