"""The error handlers of ``codecs`` for pieces of UTF-8 that are not valid."""

from __future__ import annotations

from codecs import lookup_error
from operator import index
from typing import Any


def errors_option(value: Any) -> str:
    """The name of a registered error handler: TypeError if not a str, LookupError if unknown."""
    if not isinstance(value, str):
        raise TypeError(f"errors must be a str, got {type(value).__name__}")
    lookup_error(value)
    return value


def ask_handler(errors: str, bad: bytes, reason: str) -> str:
    """What the error handler ``errors`` puts for ``bad``, a piece that no valid character begins with.

    The handler sees this piece alone, whatever the fragments were. If it resumes inside of it, it is asked about the
    rest, which can only be continuation bytes. What it raises passes through.
    """
    handler = lookup_error(errors)
    replaced: list[str] = []
    while bad:
        answer = handler(UnicodeDecodeError("utf-8", bad, 0, len(bad), reason))
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise TypeError("decoding error handler must return (str, int) tuple")
        text, resume = answer
        if not isinstance(text, str):
            raise TypeError("decoding error handler must return (str, int) tuple")
        resume = index(resume)
        if resume < 0:
            resume += len(bad)
        if not 0 < resume <= len(bad):
            raise IndexError(f"position {resume} from error handler out of bounds")
        replaced.append(text)
        bad = bad[resume:]
        reason = "invalid start byte"
    return "".join(replaced)
