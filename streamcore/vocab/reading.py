"""Reading files that are not trusted: bounded, and with errors that name the file and the place in it."""

from __future__ import annotations

import json
import re
from os import PathLike
from typing import Any

from .._shared.vocabulary import HIGHEST_ID

__all__ = ["Part", "load_json", "read_file", "shown"]

# Bytes of a file; the largest published tokenizer.json has 35 MB. JSON takes up to 30 times its size in memory.
LARGEST = 1 << 28
BLOCK = 1 << 20
DIGITS = 20  # most of a number that is an int; int() refuses thousands of them
SHOWN = 60
NAMES = {dict: "an object", list: "an array", str: "a string", bool: "true or false", int: "an integer"}
_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\n\]}]', re.DOTALL)


def shown(value: Any) -> str:
    """``value`` for a message: short, whatever it is."""
    if value is None:
        return "null"
    if isinstance(value, (dict, list)):
        return f"{NAMES[list if isinstance(value, list) else dict]} of {len(value)}"
    text = repr(value[: SHOWN + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def read_file(source: str | PathLike[str], name: str) -> bytes:
    """The bytes of a file; ValueError for one that is too large, or has no end."""
    blocks: list[bytes] = []
    size = 0
    with open(source, "rb") as file:
        while block := file.read(BLOCK):
            size += len(block)
            if size > LARGEST:
                raise ValueError(f"{name}, byte {LARGEST}: the file is larger than that, which is the limit")
            blocks.append(block)
    return b"".join(blocks)


class NoNumber:
    """A number of JSON, or what is none (``NaN``), that no Python number stands for."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Twice(dict[str, Any]):
    """An object of JSON in which a key stands twice."""


class Part:
    """A value in a JSON file, and its place: ``part[key]`` is a part of it, of the value None where there is none."""

    def __init__(self, file: str, place: str, value: Any) -> None:
        self.file = file
        self.place = place
        self.value = value

    def error(self, message: str) -> ValueError:
        """A ValueError that names the file and the place."""
        return ValueError(f"{self.file}, {self.place or 'the file'}: {message}")

    def __getitem__(self, key: str | int) -> Part:
        if isinstance(key, int):
            return Part(self.file, f"{self.place}[{key}]", self.value[key])
        plain = key.isascii() and key.isidentifier() and len(key) <= SHOWN
        place = f"{self.place}.{key}".lstrip(".") if plain else f"{self.place}[{shown(key)}]"
        return Part(self.file, place, self.value.get(key))

    def expect(self, kind: type, *, or_null: bool = False) -> Any:
        """The value, if it is of ``kind``; with ``or_null``, None too."""
        if self.value is None and or_null:
            return None
        if not isinstance(self.value, kind) or (kind is int and isinstance(self.value, bool)):
            raise self.error(f"must be {NAMES[kind]}, got {shown(self.value)}")
        return self.value

    def identifier(self) -> int:
        """The value, if it may be the id of a token."""
        number: int = self.expect(int)
        if not 0 <= number <= HIGHEST_ID:
            raise self.error(f"an id must be from 0 to {HIGHEST_ID}, got {shown(number)}")
        return number


def load_json(data: bytes, name: str) -> Part:
    """What a JSON file holds; ValueError for what is no JSON, and for keys that stand twice."""
    odd: list[object] = []

    def no_number(text: str) -> NoNumber:
        odd.append(text)
        return NoNumber(text if len(text) <= DIGITS else text[:DIGITS] + "...")

    def whole_number(text: str) -> int | NoNumber:
        return int(text) if len(text) <= DIGITS else no_number(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        odd.append(made)
        return Twice(made, **{"": _repeated(pairs)})

    try:
        content = json.loads(
            data.decode("utf-8-sig"),
            parse_int=whole_number,
            parse_constant=no_number,
            object_pairs_hook=unique,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}, byte {error.start}: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}, line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError(f"{name}, line {_line_of_deepest(data)}: nested too deeply") from None
    whole = Part(name, "", content)
    if odd:
        _refuse_odd(whole)
    return whole


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _line_of_deepest(data: bytes) -> int:
    """The line in which brackets are nested most deeply."""
    line = deepest = at = depth = 0
    for match in _BRACKETS.finditer(data):
        first = match[0][:1]
        if first in b"[{":
            depth += 1
            if depth > deepest:
                deepest, at = depth, line
        elif first in b"]}":
            depth -= 1
        elif first == b"\n":
            line += 1
    return at + 1


def _refuse_odd(whole: Part) -> None:
    """Raise for the first number or object that ``load_json`` marked."""
    waiting = [whole]
    while waiting:
        part = waiting.pop()
        if isinstance(part.value, NoNumber):
            raise part.error(f"not a number of JSON, or too large: {part.value!r}")
        if isinstance(part.value, Twice):
            raise part.error(f"the key {shown(part.value[''])} stands twice")
        if isinstance(part.value, dict):
            waiting += [part[key] for key in part.value]
        elif isinstance(part.value, list):
            waiting += [part[i] for i in range(len(part.value))]
