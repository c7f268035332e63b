"""Checks of what callers hand to a BPE object: vocabularies, texts, names of special tokens (both backends)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NoReturn

from ..errors import InvalidEncoding

if TYPE_CHECKING:
    from typing_extensions import Buffer

ERRORS = ("strict", "replace", "ignore")
HIGHEST_ID = 0xFFFFFFFE


def check_errors(errors: str) -> None:
    """Raise ValueError unless ``errors`` is one of the three ways to treat invalid UTF-8."""
    if errors not in ERRORS:
        raise ValueError(f"errors must be 'strict', 'replace' or 'ignore', got {errors!r}")


def checked_vocabulary(ranks: Mapping[bytes, int], special_tokens: Mapping[str, int]) -> dict[int, bytes]:
    """The bytes of each id; raises ValueError or TypeError for a vocabulary that cannot encode every text."""
    found: dict[int, bytes] = {}
    for token, rank in ranks.items():
        if not isinstance(token, bytes) or not isinstance(rank, int):
            raise TypeError(f"ranks must map bytes to int, got {token!r}: {rank!r}")
        if not token:
            raise ValueError(f"rank {rank} has a token of no bytes")
        if not 0 <= rank <= HIGHEST_ID:
            raise ValueError(f"rank of {token!r} must be from 0 to {HIGHEST_ID}, got {rank}")
        if found.setdefault(rank, token) is not token:
            raise ValueError(f"rank {rank} belongs to two tokens: {found[rank]!r} and {token!r}")
    missing = [value for value in range(256) if bytes((value,)) not in ranks]
    if missing:
        some = ", ".join(f"0x{value:02x}" for value in missing[:8]) + (", ..." if len(missing) > 8 else "")
        raise ValueError(f"ranks lack {len(missing)} of the 256 single bytes: {some}")
    ordinary = set(found)
    for name, number in special_tokens.items():
        if not isinstance(name, str) or not isinstance(number, int):
            raise TypeError(f"special_tokens must map str to int, got {name!r}: {number!r}")
        if not name:
            raise ValueError(f"special token {number} has no text")
        if not 0 <= number <= HIGHEST_ID:
            raise ValueError(f"id of special token {name!r} must be from 0 to {HIGHEST_ID}, got {number}")
        if number in ordinary and found[number] != name.encode():
            raise ValueError(
                f"special token {name!r} has the id of the ordinary token {found[number]!r}: {number}"
            )
        found.setdefault(number, name.encode())
    return found


def one_of(names: Collection[str]) -> re.Pattern[str]:
    """A pattern that finds the first of ``names``, the longest where several begin at one place."""
    return re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))


def checked_names(argument: str, names: str | Collection[str]) -> frozenset[str]:
    """A collection of special tokens as a set."""
    if isinstance(names, str):
        raise ValueError(f'{argument} must be "all" or a collection of special tokens, got {names!r}')
    return frozenset(names)


def raise_disallowed(name: str, position: int) -> NoReturn:
    """Raise the error for a special token in text that does not allow it; ``position`` is in characters."""
    raise disallowed_error(name, position)


def disallowed_error(name: str, position: int) -> ValueError:
    """The error that ``raise_disallowed`` raises."""
    return ValueError(
        f"text holds the disallowed special token {name!r} at character {position}; name it in allowed_special to "
        "encode it as one token, or pass disallowed_special=() to encode such text as ordinary text"
    )


def without_surrogates(text: str) -> str:
    """``text`` with pairs of surrogates joined and each lone one as U+FFFD, as tiktoken does."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def as_text(text: str | Buffer, errors: str) -> str:
    """``text`` as valid ``str``: bytes-like decoded as UTF-8, surrogates joined or replaced."""
    check_errors(errors)
    if isinstance(text, str):
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                return without_surrogates(text)
        return text
    try:
        return str(text, "utf-8", errors)
    except UnicodeDecodeError as error:
        raise invalid_utf8(error, 0) from None
    except TypeError:
        raise TypeError(f"text must be str or bytes-like, not {type(text).__name__}") from None


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
