"""Engine that reads one JSON document as it grows (native: ``_native.text.json_deltas``).

Bytes are decoded first; offsets are counted back from the text where an error needs one.
"""

from __future__ import annotations

import re
import sys
from codecs import utf_8_decode
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from ..._shared import json_text
from ..._shared.json_text import LITERALS, delta_options, number, too_deep, unexpected
from ..._shared.options import DEFAULT_MAX_SIZE, flag_option
from ...errors import IncompleteItem, InvalidEncoding, ItemTooLarge
from .json_delta import JSONDelta, fill
from .units import UnitEngine

__all__ = ["JSONDeltasEngine"]

(START, BOM, FENCE, VALUE, FIRST_ITEM, FIRST_KEY, KEY, COLON, AFTER, STRING, NUMBER, LITERAL, END) = range(13)
EXPECTED = {
    FENCE: json_text.FENCE,
    FIRST_ITEM: json_text.FIRST_ITEM,
    FIRST_KEY: json_text.FIRST_KEY,
    KEY: json_text.KEY,
    COLON: json_text.COLON,
    END: json_text.END,
}
AROUND = frozenset((FIRST_ITEM, FIRST_KEY, KEY, AFTER))  # modes in which no value is read yet

MARK = b"\xef\xbb\xbf"
BLANK = " \t\r\n"
BLANKS = re.compile("[ \t\r\n]*").match
PLAIN = re.compile('[^"\\\\\x00-\x1f]*').match
STRING_AT_ONCE = re.compile('"([^"\\\\\x00-\x1f]*)"').match
LEAST = 8  # characters: in less these two are rarely found
KEY_AT_ONCE = re.compile(',?[ \t\r\n]*"([^"\\\\\x00-\x1f]*)"[ \t\r\n]*:').match
ANYTHING = re.compile('[^"\\\\]*').match
SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
HEX = frozenset("0123456789abcdefABCDEF")
LITERAL_OF = {name[0]: name for name in LITERALS if name[0] != "-"}

# A number, and what must follow for it to be seen at once; then the same step by step.
WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))((?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?=[ \t\r\n,\]}])").match
DIGITS = re.compile("[0-9]*").match
MINUS, ZERO, INT, POINT, FRACTION, E, SIGN, EXPONENT = range(1, 9)
SIGNS = {"+": SIGN, "-": SIGN}
DIGIT_AFTER = {MINUS: INT, POINT: FRACTION, E: EXPONENT, SIGN: EXPONENT}
STEPS: dict[int, dict[str, int]] = {
    at: {**dict.fromkeys("0123456789", DIGIT_AFTER[at]), **(SIGNS if at == E else {})} for at in DIGIT_AFTER
}
STEPS[MINUS]["0"] = ZERO
STEPS[ZERO] = STEPS[INT] = {".": POINT, "e": E, "E": E}
STEPS[FRACTION] = {"e": E, "E": E}
STEPS[EXPONENT] = {}
WHOLE_NUMBERS = frozenset((ZERO, INT, FRACTION, EXPONENT))
RUNS = frozenset((INT, FRACTION, EXPONENT))

_new = object.__new__


class JSONDeltasEngine(UnitEngine):
    """Reads one JSON document as it grows, from str or UTF-8: ``JSONDelta(path, value, done)``, or snapshots.

    Strings come in pieces, or with ``whole_strings`` once. ``as_="snapshot"`` gives after each fragment that changed it
    the value so far, one object changed in place. ``max_size`` bounds a key, a number and a whole string. Not
    ``strict``, it takes backticks around the document, trailing commas, control characters in strings, unknown escapes
    (as they are written), an end too early, and text after the end (``rest``).
    """

    def __init__(
        self,
        *,
        strict: bool = True,
        max_depth: int = 512,
        max_size: int | None = DEFAULT_MAX_SIZE,
        as_: str = "delta",
        whole_strings: bool = False,
        parse_float: Callable[[str], Any] = float,
    ) -> None:
        self._strict = flag_option("strict", strict)
        self._whole_strings = flag_option("whole_strings", whole_strings)
        self._max_depth, size, self._snapshots, self._parse_float = delta_options(
            max_depth, max_size, as_, parse_float
        )
        self._surely_fits = sys.maxsize if size is None else size // 4  # characters
        self._plain = PLAIN if self._strict else ANYTHING
        self._steps: dict[int, Callable[[str, int, list[Any]], int]] = {
            STRING: self._read_string,
            NUMBER: self._read_number,
            LITERAL: self._read_literal,
        }
        super().__init__("JSONDeltas", max_size=size)

    def _clear(self) -> None:
        super()._clear()
        self._mode = START
        self._matched = 0  # of a byte-order mark, of backticks, of a literal
        self._fenced = False
        self._comma = False
        self._keys: list[Any] = []  # of the values that are read, one for each level
        self._levels: list[tuple[bool, Any]] = []  # whether it is an array, and its path
        self._path: tuple[Any, ...] = ()  # of the string that is open
        self._in_key = False
        self._escape = ""  # as written so far
        self._high = ""  # a first surrogate by escape, whose second one may come
        self._held = b""  # of a character that is not whole
        self._begun = 0  # bytes behind the text in work that may begin a character
        self._number = 0
        self._floating = False
        self._literal = ""
        self._token = 0  # stream offset of the key, string or number
        self._pieces: list[str] = []  # of it, from earlier fragments
        self._after: list[Any] = []
        self._after_size = 0
        self._containers: list[Any] = []
        self._root: Any = None
        self._growing: str | None = None
        self._changed = False
        self._began = 0
        self._text = ""
        self._origin = 0  # stream offset of the text in work

    def _abandon(self) -> None:
        super()._abandon()
        self.error = None  # found ahead of the items that were taken
        self._began = self._base

    @property
    def rest(self) -> Any:
        """Not ``strict``: the text after the document, without the backticks that belong to those before it."""
        empty: Any = b"" if self._input is bytes else ""
        blank, fence = (BLANK, "```") if empty == "" else (BLANK.encode(), b"```")
        text = empty.join(self._after).lstrip(blank)
        if self._fenced and text.startswith(fence):
            text = text[3:].lstrip(blank)
        return text

    def batches(self, fragments: Iterable[Any]) -> Generator[Any, None, None]:
        """Not for deltas: TypeError."""
        raise TypeError("JSONDeltas has no batches(): use iterate()")

    # ---- fragments ----

    def _cut(self, data: Any) -> Iterator[list[Any]]:
        self._changing = True
        self._input = type(data)
        self._data = data
        items: list[Any] = []
        try:
            at = self._read_start(data) if self._mode < VALUE else 0
            if self._mode >= VALUE and self.error is None:
                if type(data) is str:
                    self._read(data[at:] if at else data, self._base + at, items)
                else:
                    self._decode(data[at:], self._base + at, items)
            if self._changed:
                self._changed = False
                items.append(self._root)
            self._base += len(data)
        finally:
            self._data = None
        return iter((items,) if items else ())

    def _read_start(self, data: Any) -> int:
        """What may stand before the document: returns where that begins, if it does."""
        text = type(data) is str
        for at in range(len(data)):
            unit = data[at : at + 1] if text else data[at : at + 1].decode("latin-1")
            first = self._base + at == self._began
            if self._mode == BOM:
                if ord(unit) != MARK[self._matched]:
                    self._stop(unexpected(json_text.VALUE, self._base + at, ()))
                    return at
                self._matched += 1
                if self._matched == 3:
                    self._mode = VALUE if self._strict else START
            elif self._mode == FENCE:
                if self._matched == 3:
                    if unit == "\n":
                        self._mode = VALUE
                        return at + 1
                elif unit == "`":
                    self._matched += 1
                    self._fenced = True
                else:
                    self._stop(unexpected(json_text.FENCE, self._base + at, ()))
                    return at
            elif first and not text and unit == "\xef":
                self._mode, self._matched = BOM, 1
            elif not self._strict and unit == "`":
                self._mode, self._matched = FENCE, 1
            elif not (unit in BLANK or (not self._strict and first and text and unit == "\ufeff")):
                self._mode = VALUE
                return at
            if self._mode == VALUE:
                return at + 1
        return len(data)

    def _decode(self, data: bytes, offset: int, items: list[Any]) -> None:
        """Bytes at ``offset``, which are decoded while they belong to the document."""
        if self._mode == END and not self._strict:
            self._follow(data, offset)
            return
        held, self._held = self._held, b""
        raw, origin = held + data, offset - len(held)
        bad = None
        try:
            text, used = utf_8_decode(raw, "surrogatepass", False)
        except UnicodeDecodeError as error:
            used, piece = error.start, raw[error.start : error.end]
            text = utf_8_decode(raw[:used], "surrogatepass", True)[0]
            self._begun = len(piece) if "continuation" in error.reason else 0
            if piece == b"\xed" and b"\xa0" <= raw[used + 1 : used + 2] <= b"\xbf":
                self._begun = 2  # a surrogate is taken for a character
            bad = InvalidEncoding("utf-8", piece, 0, len(piece), error.reason, origin + used)
        if bad is None:
            self._held = raw[used:]
            self._begun = len(self._held)
        if used < len(raw):  # a character that can only stand in a string
            end = self._read(text + "\0", origin, items, len(text))
        else:
            end = self._read(text, origin, items)
        if self.error is None and end >= 0:  # the rest follows the document
            self._held = b""
            at = self._offset(end)
            self._follow(raw[at - origin :], at)
        elif self.error is None and bad is not None:
            self._stop(bad)

    def _read(self, text: str, origin: int, items: list[Any], known: int | None = None) -> int:
        """Read on in ``text``, which lies at ``origin`` of the stream; -1, or where bytes follow the document.

        Behind the ``known`` part of it stands one character that is not known.
        """
        self._text, self._origin = text, origin
        self._known = len(text) if known is None else known
        at, size, steps = 0, len(text), self._steps
        while at < size and self.error is None:
            step = steps.get(self._mode)
            if step is not None:
                at = step(text, at, items)
                continue
            if self._mode == END and not self._strict:
                if self._input is not str:
                    return at
                self._follow(text[at:], origin + at)
                break
            if text[at] not in BLANK:
                at = self._read_structure(text[at], at, items)
                continue
            at = BLANKS(text, at).end()  # type: ignore[union-attr]
        return -1

    def _offset(self, at: int) -> int:
        """The stream offset of a place in the text."""
        if self._input is str or self._text.isascii():
            return self._origin + at
        return self._origin + len(self._text[:at].encode("utf-8", "surrogatepass"))

    def _follow(self, data: Any, offset: int) -> None:
        """Something stands behind the document."""
        if not self._after:
            blank: Any = BLANK if type(data) is str else BLANK.encode()
            size = len(data)
            data = data.lstrip(blank)
            self._token = offset + size - len(data)
        if self._exceeds(self._after_size + len(data)):
            self._too_large()
            return
        if data:
            self._after.append(data)
            self._after_size += len(data)

    # ---- errors ----

    def _stop(self, error: Any) -> None:
        self._fail(error, error.offset)

    def _refuse(self, expected: str, at: int, around: bool = False) -> int:
        keys = self._keys[:-1] if around else self._keys
        self._stop(unexpected(expected, self._offset(at), tuple(keys)))
        return at

    def _refuse_structure(self, at: int) -> int:
        mode = self._mode
        if mode == AFTER:
            expected = json_text.AFTER_ITEM if self._levels[-1][0] else json_text.AFTER_MEMBER
        else:
            expected = EXPECTED.get(mode, json_text.VALUE)
        return self._refuse(expected, at, mode in AROUND)

    def _too_large(self) -> None:
        assert self._max_size is not None
        self._stop(ItemTooLarge(self._max_size + 1, self._max_size, self._token))

    def _outgrown(self, end: int, goes_on: bool = True) -> bool:
        """Whether the key, number or whole string is too large that reaches up to the place ``end`` at least."""
        if self._max_size is None:
            return False
        more = self._begun if self._mode == STRING and goes_on and end == self._known else 0
        if self._offset(end) + more - self._token <= self._max_size:
            return False
        self._too_large()
        return True

    # ---- values ----

    def _scalar(self, value: Any, items: list[Any]) -> None:
        if self._snapshots:
            self._put(value)
        else:
            items.append(fill(_new(JSONDelta), tuple(self._keys), value, True))
        self._mode = AFTER if self._levels else END

    def _put(self, value: Any) -> None:
        """Set the value that is read in the snapshot."""
        self._changed = True
        if not self._levels:
            self._root = value
            return
        container, key = self._containers[-1], self._keys[-1]
        if not self._levels[-1][0] or key < len(container):
            container[key] = value
        else:
            container.append(value)

    def _grow(self, piece: str) -> None:
        """Add to the open string of the snapshot, in place where nothing else has it."""
        text = self._growing
        if text is None:
            text = piece
        elif piece:
            self._growing = None
            self._put(None)
            text += piece
        else:
            return
        self._growing = text
        self._put(text)

    def _open(self, array: bool, at: int, items: list[Any]) -> int:
        if len(self._levels) == self._max_depth:
            self._stop(too_deep(self._max_depth, self._offset(at), tuple(self._keys)))
            return at
        value: Any = [] if array else {}
        path = None
        if self._snapshots:
            self._put(value)
            self._containers.append(value)
        else:
            path = tuple(self._keys)
            items.append(fill(_new(JSONDelta), path, value, False))
        self._levels.append((array, path))
        self._keys.append(0)
        self._mode = FIRST_ITEM if array else FIRST_KEY
        return at + 1

    def _close(self, items: list[Any]) -> None:
        array, path = self._levels.pop()
        self._keys.pop()
        if self._snapshots:
            self._containers.pop()
        else:
            items.append(fill(_new(JSONDelta), path, [] if array else {}, True))
        self._mode = AFTER if self._levels else END

    def _read_structure(self, char: str, at: int, items: list[Any]) -> int:
        mode = self._mode
        array = bool(self._levels) and self._levels[-1][0]
        if mode == AFTER:
            if char == ",":
                if not array and (end := self._key_at_once(at)):
                    return end
                self._comma = True
                if array:
                    self._keys[-1] += 1
                self._mode = VALUE if array else KEY
                return at + 1
            if char == ("]" if array else "}"):
                self._close(items)
                return at + 1
        elif mode == COLON:
            if char == ":":
                self._mode, self._comma = VALUE, False
                return at + 1
        elif mode in (KEY, FIRST_KEY):
            if char == '"':
                return self._key_at_once(at) or self._begin_string(True, at)
            if char == "}" and (mode == FIRST_KEY or not self._strict):
                self._close(items)
                return at + 1
        elif mode != END:
            return self._begin_value(char, at, items)
        return self._refuse_structure(at)

    def _key_at_once(self, at: int) -> int:
        """Where the value begins if a whole key is there, after a comma or not, that takes no second look; else 0."""
        if self._known - at < LEAST:
            return 0
        found = KEY_AT_ONCE(self._text, at)
        if found is None or found.end() - at > self._surely_fits:
            return 0
        self._keys[-1], self._mode, self._comma = found[1], VALUE, False
        return found.end()

    def _begin_value(self, char: str, at: int, items: list[Any]) -> int:
        if char == '"':
            found = STRING_AT_ONCE(self._text, at) if self._known - at >= LEAST else None
            if found is not None and found.end() - at <= self._surely_fits:
                self._scalar(found[1], items)
                return found.end()
            if not self._snapshots:
                self._path = tuple(self._keys)
            elif not self._whole_strings:
                self._growing = None
                self._grow("")
            return self._begin_string(False, at)
        if char in "{[":
            return self._open(char == "[", at, items)
        if char == "]" and (self._mode == FIRST_ITEM or (self._comma and not self._strict)):
            self._close(items)
            return at + 1
        if char == "-" or char in "0123456789":
            self._token = self._offset(at)
            found = WHOLE(self._text, at)
            if found is not None and not self._outgrown(found.end()):
                return self._end_number(found[0], bool(found[2]), found.end(), items)
            self._mode, self._floating = NUMBER, False
            self._number = MINUS if char == "-" else STEPS[MINUS][char]
            self._pieces.append(char)
            return at + 1
        if char in LITERAL_OF:
            self._mode, self._literal, self._matched = LITERAL, LITERAL_OF[char], 1
            return at + 1
        return self._refuse_structure(at)

    def _begin_string(self, in_key: bool, at: int) -> int:
        self._mode, self._in_key = STRING, in_key
        self._token = self._offset(at + 1)
        return at + 1

    # ---- numbers and literals ----

    def _read_literal(self, text: str, at: int, items: list[Any]) -> int:
        name = self._literal
        while at < len(text):
            if text[at] != name[self._matched]:
                return self._refuse(f"the literal {name}", at)
            self._matched += 1
            at += 1
            if self._matched == len(name):
                self._scalar(LITERALS[name], items)
                break
        return at

    def _read_number(self, text: str, start: int, items: list[Any]) -> int:
        at, state = start, self._number
        while at < len(text):
            if state in RUNS:
                at = DIGITS(text, at).end()  # type: ignore[union-attr]
                if at == len(text):
                    break
            after = STEPS[state].get(text[at])
            if after is None:
                break
            self._floating = self._floating or after in (POINT, E)
            state = after
            at += 1
        self._number = state
        if self._outgrown(at):
            return at
        self._pieces.append(text[start:at])
        if at == len(text):
            return at
        if state in WHOLE_NUMBERS:
            whole, self._pieces = "".join(self._pieces), []
            return self._end_number(whole, self._floating, at, items)
        if state == MINUS and text[at] == "I":
            self._pieces = []
            self._mode, self._literal, self._matched = LITERAL, "-Infinity", 1
            return at
        return self._refuse(json_text.DIGIT, at)

    def _end_number(self, text: str, floating: bool, at: int, items: list[Any]) -> int:
        try:
            value = number(text, floating, self._parse_float)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - raised after the items before it
            self._fail(error, self._token)
            return at
        self._scalar(value, items)
        return at

    # ---- strings ----

    def _read_string(self, text: str, at: int, items: list[Any]) -> int:
        parts: list[str] = []
        wrong = None
        size, plain = self._known, self._plain
        closed = False
        while at < size:
            if self._escape or self._high:
                at, wrong = self._read_escape(text[at], at, parts)
                if wrong is not None:
                    break
                continue
            end = plain(text, at, size).end()  # type: ignore[union-attr]
            if end > at:
                parts.append(text[at:end])
                at = end
                continue
            if text[at] == '"':
                closed = True
                break
            if text[at] != "\\":
                wrong = json_text.CONTROL
                break
            self._escape = "\\"
            at += 1
        while at == size < len(text) and wrong is None and (self._escape or self._high):
            at, wrong = self._read_escape(text[at], at, parts)
        counts = self._in_key or self._whole_strings
        if counts and self._outgrown(at, wrong is None):
            return at
        piece = "".join(parts)
        if closed:
            self._end_string(piece, items)
            return at + 1
        if counts:
            self._pieces.append(piece)
        elif piece and self._snapshots:
            self._grow(piece)
        elif piece:
            items.append(fill(_new(JSONDelta), self._path, piece, False))
        return len(text) if wrong is None else self._refuse(wrong, at, self._in_key)

    def _read_escape(self, char: str, at: int, parts: list[str]) -> tuple[int, str | None]:
        """One character of an escape, or after a first surrogate: where to go on, and what was expected instead."""
        escape = self._escape
        if escape == "\\" and char == "u":
            self._escape = "\\u"
        elif len(escape) > 1 and char in HEX:
            self._escape += char
            if len(escape) == 5:
                self._end_escape(chr(int(self._escape[2:], 16)), parts)
        elif not escape and char == "\\":
            self._escape = "\\"
        elif self._high:
            parts.append(self._high)
            self._high = ""
            return at, None
        elif escape == "\\" and char in SIMPLE:
            parts.append(SIMPLE[char])
            self._escape = ""
        elif self._strict:
            return at, json_text.ESCAPE if escape == "\\" else json_text.HEX
        else:
            parts.append(escape)
            self._escape = ""
            return at, None
        return at + 1, None

    def _end_escape(self, char: str, parts: list[str]) -> None:
        high, self._high, self._escape = self._high, "", ""
        if high and "\udc00" <= char <= "\udfff":
            parts.append(chr(0x10000 + ((ord(high) - 0xD800) << 10) + ord(char) - 0xDC00))
            return
        parts.append(high)
        if "\ud800" <= char <= "\udbff":
            self._high = char
        else:
            parts.append(char)

    def _end_string(self, text: str, items: list[Any]) -> None:
        if self._pieces:
            text, self._pieces = "".join([*self._pieces, text]), []
        if self._in_key:
            self._keys[-1] = text
            self._mode = COLON
            return
        if not self._snapshots:
            items.append(fill(_new(JSONDelta), self._path, text, True))
        elif self._whole_strings:
            self._put(text)
        else:
            self._grow(text)
            self._growing = None
        self._mode = AFTER if self._levels else END

    # ---- the end of the input ----

    def _end(self) -> list[Any]:
        items: list[Any] = []
        self._held = b""
        while self.error is None and self._mode != END:
            shows = self._mode == NUMBER and self._number != MINUS
            if self._mode == NUMBER and not self._levels and self._number in WHOLE_NUMBERS:
                self._end_open_number(items)
            elif self._strict or not (self._levels or self._mode == STRING or shows):
                self._stop(IncompleteItem(self._base - self._began, self._began))
            elif self._mode == STRING and not self._in_key:
                self._end_string(self._high, items)
            elif shows:
                self._end_open_number(items)
            else:
                self._pieces = []
                self._close(items)
        if self._changed:
            self._changed = False
            items.append(self._root)
        return items

    def _end_open_number(self, items: list[Any]) -> None:
        text, floating, self._pieces = "".join(self._pieces), self._floating, []
        if self._number not in WHOLE_NUMBERS:
            text = text.rstrip("+-").rstrip("eE").rstrip(".")
            floating = "." in text or "e" in text or "E" in text
        self._end_number(text, floating, 0, items)
