"""Decompression of gzip and Zstandard input, in bounded memory and with the place where bad input went wrong.

The modules that do the work (zlib, zstandard) take an input that ends early for a complete one, or keep the
position to themselves; hence the loops here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from .failure import Failure

if TYPE_CHECKING:
    from .inputs import Input

# Most bytes that one step may yield, however well they were packed.
STEP = 256 * 1024


def gunzip(source: Input) -> Iterator[bytes]:
    """The members of a gzip file one after another (RFC 1952, 2.2); zero bytes after a member are padding."""
    data = source.read()
    while True:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            data = data or source.read()
            at_end = not data
            before = member.copy()
            try:
                text = member.decompress(data, STEP)
            except zlib.error:
                yield from up_to_the_error(before, data, source)
                raise AssertionError("what failed in one step does not fail byte by byte") from None
            data = member.unconsumed_tail
            if text:
                yield text
            elif at_end:
                raise source.failure("gzip data ends too early")
        data = member.unused_data.lstrip(b"\0")
        while not data:
            data = source.read()
            if not data:
                return
            data = data.lstrip(b"\0")


def up_to_the_error(member: zlib._Decompress, data: bytes, source: Input) -> Iterator[bytes]:
    """What a step that fails yields before it does: ``zlib`` throws it away, so go byte by byte."""
    for at in range(len(data)):
        try:
            text = member.decompress(data[at : at + 1])
        except zlib.error as error:
            position = source.position - len(data) + at
            if position < 2:
                raise Failure(f"{source.name}: is not a gzip file") from error
            raise Failure(f"{source.name}: bad gzip data at byte {position}: {error}") from error
        if text:
            yield text


class Step(NamedTuple):
    """What comes next in a Zstandard stream."""

    length: int
    take: Callable[[bytes], Step]
    kept: bool  # whether ``take`` looks at the bytes


class FrameWalk:
    """Reads for ``zstandard``, a block at a time, and knows at the end whether the last frame is complete.

    With a block at a time, what lies before a bad block comes out before the error does.

    RFC 8878, 3.1: a frame is a magic number, a header, blocks (3 bytes with last, type and size, then the content),
    and a checksum if the header says so; a skippable frame is a magic number, a size and as many bytes. Each method
    from ``magic`` on takes one field and says what comes next.
    """

    def __init__(self, source: Input) -> None:
        self.source = source
        self.data = b""
        self.at = 0  # what of ``data`` was handed out
        self.field = b""
        self.left, self.next, self.kept = Step(4, self.magic, True)
        self.checksum = False
        self.frames = 0

    def read(self, _size: int) -> bytes:
        if self.at == len(self.data):
            self.data, self.at = self.source.read(), 0
        start = self.at
        block_ended = False
        while self.at < len(self.data) and not block_ended:
            taken = min(self.left, len(self.data) - self.at)
            if self.kept:
                self.field += self.data[self.at : self.at + taken]
            self.at += taken
            self.left -= taken
            block_ended = not self.left and not self.kept
            while not self.left:
                self.left, self.next, self.kept = self.next(self.field)
                self.field = b""
        return self.data[start : self.at]

    @property
    def position(self) -> int:
        """Bytes of the file handed out so far."""
        return self.source.position - len(self.data) + self.at

    def complete(self) -> bool:
        return self.frames > 0 and self.left == 4 and self.next == self.magic

    def magic(self, field: bytes) -> Step:
        if int.from_bytes(field, "little") >> 4 == 0x184D2A5:
            return Step(4, self.skippable_size, True)
        return Step(1, self.descriptor, True)

    def skippable_size(self, field: bytes) -> Step:
        return Step(int.from_bytes(field, "little"), self.frame_end, False)

    def descriptor(self, field: bytes) -> Step:
        flags = field[0]
        single_segment = bool(flags & 0x20)
        self.checksum = bool(flags & 0x04)
        content_size = (int(single_segment), 2, 4, 8)[flags >> 6]
        return Step((not single_segment) + (0, 1, 2, 4)[flags & 3] + content_size, self.block_end, False)

    def block_end(self, _field: bytes) -> Step:
        return Step(3, self.block_header, True)

    def block_header(self, field: bytes) -> Step:
        header = int.from_bytes(field, "little")
        size = 1 if header >> 1 & 3 == 1 else header >> 3  # type 1: one byte, repeated
        return Step(size, self.last_block_end if header & 1 else self.block_end, False)

    def last_block_end(self, _field: bytes) -> Step:
        return Step(4 if self.checksum else 0, self.frame_end, False)

    def frame_end(self, _field: bytes) -> Step:
        self.frames += 1
        return Step(4, self.magic, True)


def unzstd(source: Input) -> Iterator[bytes]:
    """The frames of a Zstandard file one after another."""
    try:
        import zstandard
    except ImportError as error:
        raise Failure(f"{source.name}: .zst needs zstandard: pip install 'pystreamcore[cli]'") from error
    walk = FrameWalk(source)
    reader = zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", walk), read_across_frames=True)
    while True:
        try:
            text = reader.read1(STEP)
        except zstandard.ZstdError as error:
            raise Failure(f"{source.name}: bad zstd data before byte {walk.position}: {error}") from error
        if not text:
            break
        yield text
    if not walk.complete():
        raise source.failure("zstd data ends too early")


DECOMPRESSORS: dict[str, Callable[[Input], Iterator[bytes]]] = {"gzip": gunzip, "zstd": unzstd}
