"""Text as callers hand it to a BPE object: ``str`` or UTF-8, copied so that it runs no code of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidEncoding

if TYPE_CHECKING:
    from typing_extensions import Buffer

ERRORS = ("strict", "replace", "ignore")


def check_errors(errors: str) -> str:
    """One of the three ways to treat invalid UTF-8, as an exact ``str``; ValueError for anything else."""
    if issubclass(type(errors), str):
        for known in ERRORS:
            if str.__eq__(errors, known) is True:
                return known
    raise ValueError(f"errors must be 'strict', 'replace' or 'ignore', got {errors!r}")


def exact_str(text: str) -> str:
    """``text`` as an object whose methods are Python's own."""
    return text if type(text) is str else str.__str__(text)


def without_surrogates(text: str) -> str:
    """``text`` with pairs of surrogates joined and each lone one as U+FFFD, as tiktoken does."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def as_text(text: str | Buffer, errors: str) -> str:
    """``text`` as valid ``str``: bytes-like decoded as UTF-8, surrogates joined or replaced."""
    errors = check_errors(errors)
    if issubclass(type(text), str):
        text = exact_str(text)  # type: ignore[arg-type]
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                return without_surrogates(text)
        return text
    try:
        return as_bytes(text, "text must be str or bytes-like").decode("utf-8", errors)  # type: ignore[arg-type]
    except UnicodeDecodeError as error:
        raise invalid_utf8(error, 0) from None


def as_bytes(data: Buffer, wanted: str) -> bytes:
    """What a bytes-like object holds now, copied once; TypeError that says what is ``wanted`` for anything else."""
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        raise TypeError(f"{wanted}, not {type(data).__name__}") from None


def invalid_utf8(error: UnicodeDecodeError, offset: int) -> InvalidEncoding:
    """The error of the package for one of Python's; ``offset`` is where in the stream the decoded bytes began."""
    bad = error.object[error.start : error.end]
    return InvalidEncoding("utf-8", bad, 0, len(bad), error.reason, offset + error.start)


def ends_between_characters(data: bytes) -> bool:
    """Whether the beginning of some valid UTF-8 ends between two characters."""
    for back in range(1, len(data) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            return back == 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
    return not data
