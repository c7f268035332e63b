"""What can be wrong with the inputs of a job."""

from __future__ import annotations

from ..errors import StreamcoreError


class BadRecord(StreamcoreError, ValueError):
    """A record at byte ``offset`` of ``uri`` (unpacked, if it is compressed) does not hold what the plan says."""

    def __init__(self, uri: str, offset: int, reason: str) -> None:
        super().__init__(uri, offset, reason)
        self.uri = uri
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.uri}: {self.reason}, at byte {self.offset}"


class InputChanged(StreamcoreError, OSError):
    """An input is not what it was when the plan was made."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri = uri
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.uri} changed after the plan was made: {self.reason}"
