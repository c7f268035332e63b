"""Channels, by items, by bytes and by size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .table import Box, Call, Native, attributes, fresh, method, special, tried, value


def coroutine(run: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine that need not wait, run without a loop."""

    def drive(box: Box, *args: Any) -> Any:
        result = ["waits"]

        async def wait() -> None:
            result[0] = await made  # needs no memory, as a StopIteration would

        made = run(box.subject, *args)
        try:
            wait().send(None)
        except StopIteration:
            pass
        except MemoryError:
            if result[0] == "waits":
                raise
        finally:
            made.close()
        return result[0]

    return drive


def channel(backend: Any, box: Box) -> Any:
    made = backend.Channel(6)
    made.put_many(["a", "bc", "def"])
    return made


def bounded_channel(backend: Any, box: Box) -> Any:
    made = backend.Channel(60, buffer_bytes=8)
    made.put_many(["a", "bc"])
    return made


def sized_channel(backend: Any, box: Box) -> Any:
    def size(item: Any) -> int:
        box.callback("size")
        return len(item)

    made = backend.Channel(12, size=size)
    made.put_many(["a", "bc", "def"])
    return made


NOW = value("seconds", 0)
ITEM = fresh("anything", lambda: "item")
CHANNEL = (
    method("put", ITEM, NOW),
    method("get", NOW),
    method("put_many", value("items", ["new", "and"]), NOW),
    method("put_many: too many", value("items", ["n"] * 20), NOW, alone=False),
    method("get_many", value("int", 2), NOW),
    Call(
        "get_many: into",
        lambda box, limit, timeout, into: box.subject.get_many(limit, timeout, into=into),
        (value("int", 2), NOW, fresh("list", list)),
    ),
    Call("aput", coroutine(lambda channel, *args: channel.aput(*args)), (ITEM, NOW)),
    Call("aget", coroutine(lambda channel, *args: channel.aget(*args)), (NOW,)),
    Call(
        "aput_many",
        coroutine(lambda channel, *args: channel.aput_many(*args)),
        (value("items", ["new", "and"]), NOW),
    ),
    Call("aget_many", coroutine(lambda channel, *args: channel.aget_many(*args)), (value("int", 2), NOW)),
    method("close"),
    method("close: with an error", fresh("anything", lambda: OSError("gone"))),
    *attributes("capacity", "closed"),
    special("len", len),
    special("repr", repr),
)


def channel_rest(channel: Any) -> Any:
    return tried(lambda: channel.get_many(timeout=0))


CLASSES: list[Native] = [
    Native("Channel", "Channel", channel, CHANNEL, len, channel_rest),
    Native("Channel", "Channel bounded in bytes", bounded_channel, CHANNEL, len, channel_rest),
    Native("Channel", "Channel by size", sized_channel, CHANNEL, len, channel_rest, callbacks=("size",)),
]

PARTS = {
    "Budget": "Channel",
    "Passing": "Channel",
    "Sending": "Channel",
    "WaitQueue": "Channel",
    "Waiter": "Channel",
    "Waiting": "Channel",
}
