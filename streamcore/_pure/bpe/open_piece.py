"""Ids of text that comes in fragments: the pieces that are complete, and of the last one what is already final.

What is final of a piece that has not ended is what its possible continuations share (``merging``). A piece with an
alternative end (``piece_scanner``) has two sorts of futures: it goes on, or it ended there and another piece began.
Both are followed, each in an encoding of its own, and the tokens are final that both give. If the two never agree,
the text since has to be held: ``max_size`` bounds it. Everything else that is held is shorter than a few tokens.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ..._shared.patterns import UNSETTLED, Family, split
from ..._shared.prefix_encodings import PrefixEncodings
from .piece_scanner import BLANK, START, SUFFIX, PieceScanner

if TYPE_CHECKING:
    from .core import BPECore

# Below this many characters, the scanner alone is faster than the regular expression and then the scanner.
BULK_FROM = 100


class Alternative:
    """The future in which the piece ended earlier and another one began."""

    __slots__ = ("beyond", "encodings", "head", "tokens")

    def __init__(self, encodings: PrefixEncodings, head: list[bytes]) -> None:
        self.encodings = encodings  # of the text since that end
        self.tokens = deque(head)  # final in this future and not given out yet
        self.head = len(head)  # how many of them lie before that end
        self.beyond = 0  # tokens after that end that were given out


class OpenPieces:
    """The pieces of one text without special tokens, for a recognised pattern."""

    def __init__(self, core: BPECore, family: Family) -> None:
        self._core = core
        self._neighbours = core._neighbours
        self._family = family
        self._scanner = PieceScanner(family)
        self._begin()

    def _begin(self) -> None:
        """No piece is open."""
        self._scanner.reset()
        self._open = False
        self._bytes = b""  # the open piece, as long as all of it may be the beginning of one token
        self._encodings: PrefixEncodings | None = None  # of the open piece, when it is longer than that
        self._tokens: deque[bytes] = deque()  # final if the piece goes on, not given out yet
        self._given = 0  # bytes of the piece whose tokens were given out
        self._other: Alternative | None = None
        self._held: list[str] = []  # the text from the scanner's floor on

    @property
    def held_size(self) -> int:
        """Bytes of the text whose ids were not given out."""
        return len(self._bytes) if self._encodings is None else self._encodings.size - self._given

    def held(self) -> bytes:
        """The text whose ids were not given out."""
        return (
            self._bytes if self._encodings is None else b"".join(self._tokens) + bytes(self._encodings.text)
        )

    def feed(self, text: str, final: bool, out: list[int]) -> None:
        """Append the ids that ``text`` makes final; ``final`` ends the text."""
        known = 0  # characters of text that the encodings have already
        if self._open and self._scanner.looks_back:
            held = "".join(self._held)
            text, known, self._held = held + text, len(held), []
        bulk = len(text) >= BULK_FROM and self._family.name != "whole"
        repeated = (0, 0)  # where in out the ids begin that were given out before, and how many
        while text or (final and self._open):
            if bulk and not self._open:
                text, bulk = self._bulk(text, final, out), False
                continue
            self._open = True
            end = self._scanner.scan(text, final)
            if end is None:
                if self._keep(text, known):
                    out += self._settled()
                break
            rest = "".join(self._held)[end:] + text if end < 0 else text[end:]
            out += self._close(text, end, known)
            if end < 0 and self._other is not None:
                repeated = len(out), self._other.beyond
            self._begin()
            text, known = rest, 0
        if repeated[1]:
            del out[repeated[0] : sum(repeated)]

    def _bulk(self, text: str, final: bool, out: list[int]) -> str:
        """Encode the pieces that are surely settled; what is left."""
        lookup = self._core._cache.__getitem__
        tail: list[str] = []
        for pieces in split(self._family, text):
            tail += pieces
            for piece in tail[:-UNSETTLED]:
                out += lookup(piece)
            tail = tail[-UNSETTLED:]
        if not final:
            return "".join(tail)
        for piece in tail:
            out += lookup(piece)
        return ""

    def _keep(self, text: str, known: int) -> bool:
        """Take in ``text``, of which ``known`` characters are taken in already, as part of a piece without an end.

        Whether the piece is more than the beginning of one token, so that some of its ids may be final.
        """
        scanner = self._scanner
        data = text[known:].encode()
        if scanner.floor < 0:
            self._held.append(text)
        else:
            self._held = [text[scanner.floor :]]
        if self._encodings is None:
            data = self._bytes = self._bytes + data
            if scanner.gap <= 0 and self._neighbours.extends(None, data):
                return False
            self._encodings, self._bytes = PrefixEncodings(self._neighbours), b""
        self._encodings.push(data)
        if scanner.gap <= 0:
            self._other = None
        elif scanner.floor < 0 and self._other is not None:
            self._other.encodings.push(data)
        else:
            since = text[scanner.floor :].encode()
            head = self._tokens_until(self._encodings.size - len(since))
            self._other = Alternative(PrefixEncodings(self._neighbours), head)
            self._other.encodings.push(since)
        return True

    def _tokens_until(self, end: int) -> list[bytes]:
        """The tokens not given out, if the piece ends after ``end`` bytes."""
        assert self._encodings is not None
        if self._encodings.base:
            return [*self._tokens, *self._encodings.path(end)]
        piece = bytes(self._encodings.text[:end])
        return (
            [piece] if self._core.whole_pieces and piece in self._core._ranks else self._encodings.path(end)
        )

    def _ends(self) -> list[int]:
        """Where before its present end the piece may still end, in bytes."""
        scanner, encodings = self._scanner, self._encodings
        assert encodings is not None
        if scanner.phase == START:
            # "'l" may be "'ll" begun; else the apostrophe is a piece alone in r50k, and part of a word elsewhere
            return [1] if self._family.name == "r50k" and len("".join(self._held)) > 1 else []
        if scanner.phase == SUFFIX or (scanner.phase == BLANK and scanner.gap < 0 and scanner.size > 1):
            return [encodings.size - len("".join(self._held).encode())]
        return []

    def _settled(self) -> list[int]:
        """The ids of the open piece that are final now."""
        assert self._encodings is not None
        self._tokens += self._advance(self._encodings, self._ends())
        given = self._tokens
        if self._other is not None:
            given = self._agreed(self._other)
        ranks = self._core._ranks
        ids = [ranks[token] for token in given]
        self._given += sum(map(len, given))
        if given is self._tokens:
            given.clear()
        return ids

    def _agreed(self, other: Alternative) -> deque[bytes]:
        """Take the tokens that are final in both futures."""
        ends = []
        if self._scanner.phase == BLANK and self._scanner.gap > 1:
            # a blank before a word goes with the word
            ends = [other.encodings.size - len(self._held[-1][-1].encode())]
        other.tokens += self._advance(other.encodings, ends)
        agreed: deque[bytes] = deque()
        while self._tokens and other.tokens and self._tokens[0] == other.tokens[0]:
            agreed.append(self._tokens.popleft())
            other.tokens.popleft()
            if other.head:
                other.head -= 1
            else:
                other.beyond += 1
        return agreed

    def _advance(self, encodings: PrefixEncodings, ends: list[int]) -> list[bytes]:
        """Take the tokens of a piece that its continuations share."""
        end = encodings.stable_end(ends)
        if end == encodings.base:
            return []
        if self._core.whole_pieces and not encodings.base:
            # the piece may turn out to be a token that merging cannot make
            shortest = bytes(encodings.text[: min([encodings.size, *ends])])
            if not self._neighbours.is_regular(shortest):
                return []
        return encodings.take(end)

    def _close(self, text: str, end: int, known: int) -> list[int]:
        """The ids of the open piece, which ends at ``text[end]``, that were not given out."""
        encodings, core = self._encodings, self._core
        if encodings is None and not self._bytes:
            return core._cache[text[:end]]
        if end < 0 and self._other is not None:
            tokens = list(self._other.tokens)[: self._other.head]
        else:
            before = "".join(self._held)[end:] + text[:known] if end < 0 else text[end:known]
            size = (len(self._bytes) if encodings is None else encodings.size) - len(before.encode())
            data = text[known:end].encode() if end > known else b""
            if encodings is None:
                return core._cache[(self._bytes[:size] + data).decode()]
            if not encodings.base:
                return core.encode_piece(bytes(encodings.text[:size]) + data)
            encodings.push(data)
            tokens = [*self._tokens, *encodings.path(size + len(data))]
        return [core._ranks[token] for token in tokens]
