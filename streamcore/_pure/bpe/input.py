"""Checks of what callers hand to a BPE object: vocabularies, texts, names of special tokens (both backends)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..._shared.options import shown
from ...errors import InvalidEncoding

if TYPE_CHECKING:
    from typing_extensions import Buffer

ERRORS = ("strict", "replace", "ignore")
HIGHEST_ID = 0xFFFFFFFE


class CheckedVocabulary(NamedTuple):
    """What a core is made of, copied: nobody else can change it, and it runs no code but Python's own."""

    ranks: dict[bytes, int]
    special_tokens: dict[str, int]
    bytes_of: dict[int, bytes]


def check_errors(errors: str) -> str:
    """One of the three ways to treat invalid UTF-8, as an exact ``str``; ValueError for anything else."""
    if issubclass(type(errors), str):
        for known in ERRORS:
            if str.__eq__(errors, known) is True:
                return known
    raise ValueError(f"errors must be 'strict', 'replace' or 'ignore', got {errors!r}")


def checked_vocabulary(
    ranks: Mapping[bytes, int], special_tokens: Mapping[str, int] | None
) -> CheckedVocabulary:
    """A copy of both mappings and the bytes of each id; ValueError or TypeError if they cannot encode every text.

    The copy is checked, because a mapping of the caller's may answer otherwise the next time.
    """
    checked = CheckedVocabulary(
        copied("ranks", ranks, bytes),
        {} if special_tokens is None else copied("special_tokens", special_tokens, str),
        {},
    )
    found = checked.bytes_of
    for token, rank in checked.ranks.items():
        if not token:
            raise ValueError(f"rank {shown(rank)} has a token of no bytes")
        if not 0 <= rank <= HIGHEST_ID:
            raise ValueError(f"rank of {token!r} must be from 0 to {HIGHEST_ID}, got {shown(rank)}")
        if found.setdefault(rank, token) is not token:
            raise ValueError(f"rank {rank} belongs to two tokens: {found[rank]!r} and {token!r}")
    missing = [value for value in range(256) if bytes((value,)) not in checked.ranks]
    if missing:
        some = ", ".join(f"0x{value:02x}" for value in missing[:8]) + (", ..." if len(missing) > 8 else "")
        raise ValueError(f"ranks lack {len(missing)} of the 256 single bytes: {some}")
    ordinary = set(found)
    for name, number in checked.special_tokens.items():
        if not name:
            raise ValueError(f"special token {shown(number)} has no text")
        if not is_unicode(name):
            raise ValueError(f"special token {name!r} has half a pair of surrogates, which no text has")
        if not 0 <= number <= HIGHEST_ID:
            raise ValueError(
                f"id of special token {name!r} must be from 0 to {HIGHEST_ID}, got {shown(number)}"
            )
        if number in ordinary and found[number] != name.encode():
            raise ValueError(
                f"special token {name!r} has the id of the ordinary token {found[number]!r}: {number}"
            )
        found.setdefault(number, name.encode())
    return checked


def is_unicode(text: str) -> bool:
    """Whether ``text`` has UTF-8: no half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def copied(argument: str, mapping: Any, kind: type) -> dict[Any, int]:
    """A mapping of ``kind`` (bytes or str) to int as a dict of exact objects."""
    if not hasattr(type(mapping), "keys"):
        raise TypeError(f"{argument} must be a mapping, not {type(mapping).__name__}")
    copy = dict(mapping)
    if set(map(type, copy)) <= {kind} and set(map(type, copy.values())) <= {int}:
        return copy
    exact: dict[Any, int] = {}
    empty = kind()
    for key, number in copy.items():
        if not issubclass(type(key), kind) or not issubclass(type(number), int):
            raise TypeError(f"{argument} must map {kind.__name__} to int, got {key!r}: {number!r}")
        key, number = empty.join((key,)), int.__index__(number)
        if exact.setdefault(key, number) != number:
            raise ValueError(f"{argument} has {key!r} twice: {shown(exact[key])} and {shown(number)}")
    return exact


def checked_merges(
    merges: Iterable[tuple[bytes, bytes]], ranks: dict[bytes, int]
) -> list[tuple[bytes, bytes]]:
    """A copy of pairs of tokens; raises for one whose parts or result are no tokens."""
    pairs: list[tuple[bytes, bytes]] = []
    for i, pair in enumerate(list(merges)):
        parts = tuple(pair) if hasattr(type(pair), "__iter__") else ()
        if len(parts) != 2 or not all(issubclass(type(part), bytes) for part in parts):
            raise TypeError(f"merge {i} must be a pair of bytes, got {pair!r}")
        left, right = (b"".join((part,)) for part in parts)
        for token in (left, right, left + right):
            if token not in ranks:
                raise ValueError(f"merge {i} ({left!r}, {right!r}) needs a token that ranks lack: {token!r}")
        pairs.append((left, right))
    return pairs


def one_of(names: Collection[str]) -> re.Pattern[str]:
    """A pattern that finds the first of ``names``, the longest where several begin at one place."""
    return re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))


def special_names(
    special: frozenset[str],
    allowed_special: str | Collection[str],
    disallowed_special: str | Collection[str],
) -> tuple[frozenset[str], frozenset[str]]:
    """The special tokens to look for, and the names that must not be in a text."""
    allowed = (
        special if is_all(allowed_special) else checked_names("allowed_special", allowed_special) & special
    )
    if is_all(disallowed_special):
        return allowed, special - allowed
    return allowed, checked_names("disallowed_special", disallowed_special)


def is_all(names: str | Collection[str]) -> bool:
    """Whether that is ``"all"``."""
    return issubclass(type(names), str) and str.__eq__(names, "all") is True  # type: ignore[operator]


def checked_names(argument: str, names: str | Collection[str]) -> frozenset[str]:
    """A collection of special tokens as a set of exact ``str``."""
    if isinstance(names, str):
        raise ValueError(f'{argument} must be "all" or a collection of special tokens, got {names!r}')
    found = list(names)
    for i, name in enumerate(found):
        if not issubclass(type(name), str):
            raise TypeError(f"{argument} must hold str, not {type(name).__name__}")
        found[i] = exact_str(name)
    return frozenset(found)


def exact_str(text: str) -> str:
    """``text`` as an object whose methods are Python's own."""
    return text if type(text) is str else str.__str__(text)


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
