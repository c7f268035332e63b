"""Tokens to text as the section ``decoder`` of a ``tokenizer.json`` says it: by steps, in a stream.

A step takes tokens and gives tokens, in the end they are joined. A step that joins them (Fuse, ByteLevel) leaves one
token, which the steps after it get in fragments. Each holds back only what a later token can still change:

- ByteFallback a run of byte tokens, as long as it is valid: tokenizers shows each of its bytes as U+FFFD if one is bad;
- BPEDecoder a blank, because the last token ends without one;
- Replace and Strip, where they see joined text, as many characters as they look for;
- ByteLevel after a step that joins, everything: one character outside of its alphabet changes the whole.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

from ..errors import InvalidEncoding
from .eager_utf8 import may_be_completed
from .split_steps import byte_characters
from .text_input import invalid_utf8

__all__ = ["MOST_STEPS", "Decoding", "TextDecoding", "TextRun", "checked_decoding", "token_bytes"]

Step = tuple[Any, ...]
FIELDS = {
    "byte_level": (),
    "byte_fallback": (),
    "fuse": (),
    "join": (),
    "replace": (str, str),
    "strip": (str, int, int),
    "metaspace": (str, bool),
    "suffix": (str,),
}
MOST_STEPS = 32


class Decoding(NamedTuple):
    """How ids become text, where that is not the bytes of their tokens joined.

    ``steps`` is None for that, else a sequence of ``("byte_level",)``, ``("byte_fallback",)``, ``("fuse",)``,
    ``("join",)`` (with blanks), ``("replace", text, by)``, ``("strip", character, start, stop)``,
    ``("metaspace", character, drops_first)`` and ``("suffix", suffix)``. With ``written``, tokens are seen in the
    characters that stand for bytes. ``plain`` are the special tokens that ``skip_special_tokens`` leaves in.
    """

    steps: tuple[Step, ...] | None = None
    written: bool = False
    plain: tuple[int, ...] = ()


def checked_decoding(decoding: Any) -> Decoding:
    """A ``Decoding`` of exact objects; TypeError or ValueError for what is none."""
    if decoding is None:
        return Decoding()
    fields = list(decoding) if isinstance(decoding, (tuple, list)) else []
    if not 0 < len(fields) <= 3 or not isinstance(fields[0], (tuple, list, type(None))):
        raise TypeError("decoding must be (steps, written, plain)")
    steps, written, plain = Decoding(*fields)
    if not all(type(number) is int for number in plain):
        raise TypeError("decoding must name ids that are plain as int")
    if steps is None:
        return Decoding(None, bool(written), tuple(plain))
    if len(steps) > MOST_STEPS:
        raise ValueError(f"decoding must be of at most {MOST_STEPS} steps, got {len(steps)}")
    return Decoding(tuple(_checked_step(step) for step in steps), bool(written), tuple(plain))


def _checked_step(step: Any) -> Step:
    name, *values = tuple(step) or ("",)
    kinds = FIELDS.get(name)
    if kinds is None or len(kinds) != len(values) or not all(map(isinstance, values, kinds)):
        raise ValueError(f"decoding has an unknown step: {step!r}")
    if name in ("replace", "suffix") and not values[0]:
        raise ValueError(f"decoding: {name} must have a text to look for")
    if name in ("strip", "metaspace") and len(values[0]) != 1:
        raise ValueError(f"decoding: {name} must have one character, got {values[0]!r}")
    if name == "strip" and min(values[1:]) < 0:
        raise ValueError("decoding: strip must have counts of at least 0")
    return (name, *values)


class RunStep(Protocol):
    """A step at work."""

    @property
    def at_rest(self) -> bool:
        """Whether what it gives for the next item does not depend on those before, where ``rest`` knows it."""

    def rest(self, item: str) -> str | None:
        """What becomes of an item at rest; None for one that brings the step out of it."""

    def feed(self, items: list[str], final: bool) -> list[str]:
        """What later items cannot change any more; ``final`` says that none follow."""


@cache
def byte_of_token() -> dict[str, int]:
    """The byte that each spelling of a byte token stands for, "<0x+F>" among them, which tokenizers reads so too."""
    digits = "0123456789abcdefABCDEF"
    spelled = [first + second for first in digits + "+" for second in digits]
    return {f"<0x{both}>": int(both, 16) for both in spelled}


@cache
def byte_of_character() -> dict[str, int]:
    """The byte that each character of ByteLevel stands for."""
    return {char: value for value, char in enumerate(byte_characters())}


def token_bytes(token: str) -> bytes:
    """The bytes that ByteLevel makes of a token: of its characters, or, where one stands for no byte, its UTF-8."""
    try:
        return bytes(map(byte_of_character().__getitem__, token))
    except KeyError:
        return token.encode()


def stripped(token: str, char: str, start: int, stop: int) -> str:
    """A token without up to ``start`` of ``char`` at its beginning, and up to ``stop`` at its end."""
    first, last = 0, len(token)
    while first < min(start, len(token)) and token[first] == char:
        first += 1
    while last > max(len(token) - stop, 0) and token[last - 1] == char:
        last -= 1
    return token[first:last]


class Restless:
    """A step of which each item depends on the others."""

    at_rest = False

    def rest(self, item: str) -> str | None:
        """See ``RunStep``."""
        return None


class Each:
    """A step that changes each token by itself."""

    at_rest = True

    def rest(self, item: str) -> str | None:
        """See ``RunStep``."""
        return self._change(item)

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        return [self._change(item) for item in items]


class FirstMetaspace:
    """Metaspace: in the first token its character is left out, in the others it is a blank."""

    def __init__(self, char: str) -> None:
        self._char = char
        self._begun = False

    @property
    def at_rest(self) -> bool:
        """Whether the first token has come."""
        return self._begun

    def rest(self, item: str) -> str | None:
        """See ``RunStep``."""
        return item.replace(self._char, " ")

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        made = [item.replace(self._char, " ") for item in items]
        if items and not self._begun:
            self._begun = True
            made[0] = items[0].replace(self._char, "")
        return made


class ByteFallback:
    """Runs of byte tokens to characters; of one that is not valid, each byte is U+FFFD."""

    def __init__(self, errors: str) -> None:
        self._byte_of = byte_of_token()
        self._errors = errors
        self._bad = False  # then all of the run is out
        self._begin()

    def _begin(self) -> None:
        self._whole: list[str] = []  # characters of the run
        self._tail = b""  # the beginning of the next
        self._size = 0  # bytes of both

    @property
    def at_rest(self) -> bool:
        """Whether the next token, if it is none of a byte, stays as it is."""
        return not self._size and not self._bad

    def rest(self, item: str) -> str | None:
        """What becomes of an item then; None for one that brings the step out of it."""
        return None if item in self._byte_of else item

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        if self.at_rest and self._byte_of.keys().isdisjoint(items):
            return items
        made: list[str] = []
        for item in items:
            byte = self._byte_of.get(item)
            if byte is None:
                self._end(made)
                made.append(item)
            elif self._bad:
                self._give_bad(1, made)
            else:
                self._add(byte, made)
        if final:
            self._end(made)
        return made

    def leave(self) -> None:
        """Forget the characters that are whole: they were shown before."""
        self._whole, self._size = [], len(self._tail)

    def _add(self, byte: int, made: list[str]) -> None:
        tail = self._tail + bytes((byte,))
        self._size += 1
        try:
            text, used = utf_8_decode(tail, "strict", False)
        except UnicodeDecodeError:
            self._break(tail, made)
            return
        if used:
            self._whole.append(text)
            tail = b""
        elif not may_be_completed(tail):
            self._break(tail, made)
            return
        self._tail = tail

    def _break(self, bad: bytes, made: list[str]) -> None:
        if self._errors == "strict":
            reason = "byte tokens that are no character"
            raise InvalidEncoding("utf-8", bad, 0, len(bad), reason, self._size - len(bad))
        size = self._size
        self._begin()
        self._bad = True
        self._give_bad(size, made)

    def _end(self, made: list[str]) -> None:
        if self._tail:
            self._break(self._tail, made)
        elif self._whole:
            made.append("".join(self._whole))
            self._begin()
        self._bad = False

    def _give_bad(self, count: int, made: list[str]) -> None:
        if self._errors == "replace":
            made += ["\ufffd"] * count


class Suffix(Restless):
    """BPEDecoder on tokens: the suffix becomes a blank, and in the last token nothing."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._last: str | None = None

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        tokens = items if self._last is None else [self._last, *items]
        if not tokens:
            return []
        made = [token.replace(self._suffix, " ") for token in tokens[:-1]]
        self._last = None if final else tokens[-1]
        if final:
            made.append(tokens[-1].replace(self._suffix, ""))
        return made


class JoinedSuffix(Restless):
    """The same where no step after it asks where a token ends: a token is out up to its first suffix."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._last = ""  # of the last token, from its suffix on

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        made: list[str] = []
        for item in items:
            if self._last:
                made.append(self._last.replace(self._suffix, " "))
            place = item.find(self._suffix)
            self._last = "" if place < 0 else item[place:]
            made.append(item if place < 0 else item[:place])
        if final and self._last:
            made.append(self._last.replace(self._suffix, ""))
            self._last = ""
        return made


class Blanks(Restless):
    """Where a file has no decoder: a blank between each two tokens."""

    def __init__(self) -> None:
        self._begun = False

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        if not items:
            return []
        text = " ".join(items)
        begun, self._begun = self._begun, True
        return [" " + text if begun else text]


class ByteLevel(Restless):
    """ByteLevel: the bytes of all tokens, as text."""

    def __init__(self, errors: str) -> None:
        self._errors = errors
        self._held = b""

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        data = self._held + b"".join(map(token_bytes, items))
        try:
            text, used = utf_8_decode(data, self._errors, final)
            if used < len(data) and not may_be_completed(data[used:]):
                text, used = utf_8_decode(data, self._errors, True)
        except UnicodeDecodeError as error:
            raise invalid_utf8(error, 0) from None
        self._held = data[used:]
        return [text]


class JoinedByteLevel(Restless):
    """ByteLevel after a step that joins: whether the one token is in its alphabet shows at the end."""

    def __init__(self, errors: str) -> None:
        self._errors = errors
        self._held: list[str] = []

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        self._held += items
        if not final:
            return []
        try:
            return [token_bytes("".join(self._held)).decode("utf-8", self._errors)]
        except UnicodeDecodeError as error:
            raise invalid_utf8(error, 0) from None


class JoinedReplace(Restless):
    """Replace on joined text: holds back what the text to look for may begin with."""

    def __init__(self, text: str, by: str) -> None:
        self._text = text
        self._by = by
        self._held = ""

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        whole = self._held + "".join(items)
        parts = whole.split(self._text)
        last = parts.pop()
        self._held = "" if final else self._beginning(last)
        parts.append(last[: len(last) - len(self._held)])
        return [self._by.join(parts)]

    def _beginning(self, text: str) -> str:
        """The longest end of ``text`` that is a proper beginning of the text to look for."""
        for size in range(min(len(self._text) - 1, len(text)), 0, -1):
            if text.endswith(self._text[:size]):
                return text[-size:]
        return ""


class JoinedStrip:
    """Strip on joined text: holds back as many of its character as the end may lose."""

    def __init__(self, char: str, start: int, stop: int) -> None:
        self._char = char
        self._start = start  # that the beginning may still lose
        self._stop = stop
        self._held = 0

    @property
    def at_rest(self) -> bool:
        """Whether the beginning is over, and nothing is to be held."""
        return not self._start and not self._stop

    def rest(self, item: str) -> str | None:
        """See ``RunStep``."""
        return item

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        text = "".join(items)
        while self._start and text:
            if text[0] != self._char:
                self._start = 0
                break
            text, self._start = text[1:], self._start - 1
        if not self._stop:
            return [text]
        text = self._char * self._held + text
        end = len(text)
        while end > max(len(text) - self._stop, 0) and text[end - 1] == self._char:
            end -= 1
        self._held = len(text) - end
        return [text[:end]]


class JoinedByteToken(Restless):
    """ByteFallback on joined text: all of it may be one byte token."""

    def __init__(self, errors: str) -> None:
        self._tokens = ByteFallback(errors)
        self._held: str | None = ""

    def feed(self, items: list[str], final: bool) -> list[str]:
        """See ``RunStep``."""
        if self._held is None:
            return items
        self._held += "".join(items)
        if not final and len(self._held) <= 6:
            return []
        made = self._tokens.feed([self._held], final)
        self._held = None
        return made


def _change_of(step: Step) -> Callable[[str], str] | None:
    """What a step does to each token by itself; None for one that looks at more."""
    name, *values = step
    if name == "replace":
        text, by = values
        return lambda token: token.replace(text, by)
    if name == "strip":
        char, start, stop = values
        return lambda token: stripped(token, char, start, stop)
    if name == "metaspace" and not values[1]:
        return lambda token: token.replace(values[0], " ")
    return None


def _on_tokens(step: Step, errors: str, last: bool) -> RunStep:
    name, *values = step
    change = _change_of(step)
    if change is not None:
        return Each(change)
    if name == "metaspace":
        return FirstMetaspace(values[0])
    if name == "byte_fallback":
        return ByteFallback(errors)
    if name == "suffix":
        return JoinedSuffix(values[0]) if last else Suffix(values[0])
    return Blanks() if name == "join" else ByteLevel(errors)


def _on_text(step: Step, errors: str) -> RunStep:
    name, *values = step
    if name == "replace":
        return JoinedReplace(*values)
    if name == "suffix":
        return JoinedReplace(values[0], "")
    if name == "strip":
        return JoinedStrip(*values)
    if name == "metaspace":
        by = "" if values[1] else " "
        return Each(lambda text: text.replace(values[0], by))
    if name == "byte_fallback":
        return JoinedByteToken(errors)
    return JoinedByteLevel(errors) if name == "byte_level" else Each(str)


class TextDecoding:
    """The steps for a vocabulary. ``bytes_of`` gives the bytes of each id, ``special`` names the special tokens."""

    def __init__(self, decoding: Decoding, bytes_of: Mapping[int, bytes], special: Iterable[int]) -> None:
        steps = list(decoding.steps or ())
        self._changes: list[Callable[[str], str]] = []
        while steps and (change := _change_of(steps[0])) is not None:
            self._changes.append(change)
            del steps[0]
        self._steps = steps
        self._written = decoding.written
        self._bytes_of = bytes_of
        self._special = frozenset(special)
        self.tokens = Tokens(self._token)
        """The token of each id as the steps get it that look at more than one: KeyError for an unknown id."""
        self._resting = self.run("replace")._steps

    def _token(self, number: int) -> str:
        data = self._bytes_of[number]
        if self._written and number not in self._special:
            token = "".join(map(byte_characters().__getitem__, data))
        else:
            token = data.decode("utf-8", "replace")
        for change in self._changes:
            token = change(token)
        return token

    def run(self, errors: str) -> TextRun:
        """The steps, to be run on one text."""
        joined = False
        made: list[RunStep] = []
        for i, step in enumerate(self._steps):
            if joined:
                made.append(_on_text(step, errors))
            elif step[0] != "fuse":
                following = self._steps[i + 1 : i + 2]
                made.append(_on_tokens(step, errors, not following or following[0][0] == "fuse"))
            joined = joined or step[0] in ("fuse", "byte_level", "join")
        return TextRun(self.tokens, made)

    def rest(self, number: int) -> str | None:
        """The text of a known id in a run that is at rest; None for one that brings it out of that."""
        item: str | None = self.tokens[number]
        for step in self._resting:
            item = None if item is None else step.rest(item)
        return item

    def decode(self, ids: Iterable[int], errors: str) -> str:
        """The text of ids, all of them known."""
        run = self.run(errors)
        return run.feed(ids) + run.finish()


class Tokens(dict[int, str]):
    """Tokens by id, made when they first come up."""

    def __init__(self, make: Callable[[int], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> str:
        token = self[number] = self._make(number)
        return token


class TextRun:
    """Steps at work on one text."""

    def __init__(self, tokens: Mapping[int, str], steps: list[RunStep]) -> None:
        self._tokens = tokens
        self._steps = steps

    def feed(self, ids: Iterable[int]) -> str:
        """The text that ``ids`` make final."""
        items = [self._tokens[number] for number in ids]
        if not items:
            return ""
        for step in self._steps:
            items = step.feed(items, False)
        return "".join(items)

    @property
    def at_rest(self) -> bool:
        """Whether the text of the next id is that of ``TextDecoding.rest``."""
        return all(step.at_rest for step in self._steps)

    def finish(self) -> str:
        """The text held back; no ids follow."""
        items: list[str] = []
        for step in self._steps:
            items = step.feed(items, True)
        return "".join(items)

    def begin_after(self, ids: Iterable[int]) -> None:
        """Take in ids whose text was shown before."""
        self.feed(ids)
        for step in self._steps:
            if isinstance(step, ByteFallback):
                step.leave()
