"""Events over HTTP with real parts: uvicorn and Starlette serve over loopback, httpx and aiohttp read.

The server writes a fragment and, where a test asks for it, waits until a client has it: fragments arrive as they were
cut. Nothing here sleeps; who waits, waits for the other side.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import pytest
from loops import run

from streamcore import Event, ServerSentEvents, ops

uvicorn = pytest.importorskip("uvicorn", reason="the server here is uvicorn")
responses = pytest.importorskip("starlette.responses", reason="the server here is Starlette's")

RECORDED = Path(__file__).parent.parent / "data" / "streams" / "openai_chat.txt"
ANSWER = (
    "\ufeff: warm-up\r\r\n"
    + "".join(
        f"id: {number}\r\ndata: {json.dumps({'delta': text}, ensure_ascii=False)}\n\n"
        for number, text in enumerate(
            ["Gr\u00fc\u00dfe", " aus", " \u4e2d\u6587", " \U0001f600", "\u2028", ""]
        )
    )
    + "event: end\ndata: one\rdata: two\r\n\r\n"
).encode()
DONE = b"data: [DONE]\n\n"
EVENTS = ServerSentEvents().invoke(ANSWER)
SIZES = (
    1,
    2,
    1,
    3,
    5,
    1,
    7,
    4,
    11,
    1,
    1,
    64,
)  # every cut of a line end, of U+FEFF and of a letter is among them


def cut(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """``data`` in fragments of ``sizes``, again and again."""
    fragments, at = [], 0
    for size in cycle(sizes):
        if at >= len(data):
            return fragments
        fragments.append(data[at : at + size])
        at += size
    return fragments


class Served:
    """Answers each request with the same fragments, and notes how the clients behave."""

    def __init__(self, fragments: Iterable[bytes], waits: bool = False, endless: bool = False) -> None:
        self.fragments = fragments
        self.waits = waits  # after each fragment, until a client has noted it
        self.endless = endless  # the connection stays open behind the last fragment
        self.url = ""
        self.sent = 0
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()  # the client has closed the connection before the end
        self.to_end = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.left.clear()
        await responses.StreamingResponse(self.body(), media_type="text/event-stream")(scope, receive, send)

    async def body(self) -> AsyncIterator[bytes]:
        try:
            for fragment in self.fragments:
                self.sent += 1
                self.arrived.clear()
                yield fragment
                if self.waits:
                    await self.arrived.wait()
                else:  # what never waits would keep the loop from seeing that the client has left
                    await asyncio.sleep(0)
            if self.endless:
                await asyncio.Event().wait()
            self.to_end += 1
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise

    async def noted(self, fragments: AsyncIterable[bytes], seen: list[bytes]) -> AsyncIterator[bytes]:
        """The fragments of a response; the server goes on when one is here."""
        async for fragment in fragments:
            seen.append(fragment)
            yield fragment
            self.arrived.set()


@asynccontextmanager
async def serving(served: Served) -> AsyncIterator[Served]:
    """The app on a free port of this machine, until the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    options = {"http": "h11", "ws": "none", "lifespan": "off", "log_config": None}
    server = uvicorn.Server(uvicorn.Config(served, **options))
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    served.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    try:
        yield served  # who connects before the server has begun waits in the backlog
    finally:
        server.should_exit = server.force_exit = True
        await serve


def test_httpx_reads_every_cut() -> None:
    httpx = pytest.importorskip("httpx", reason="the client here is httpx")

    async def main() -> None:
        fragments = cut(ANSWER, SIZES)
        async with serving(Served(fragments, waits=True)) as served, httpx.AsyncClient() as client:
            seen: list[bytes] = []
            async with client.stream("GET", served.url) as response:
                noted = served.noted(response.aiter_bytes(), seen)
                events = [event async for event in ServerSentEvents().astream(noted)]
            assert events == EVENTS
            assert (seen, served.to_end) == (fragments, 1)
        async with serving(Served(cut(ANSWER, (1000, 3)))) as served, httpx.AsyncClient() as client:
            for size in (None, 1, 2, 3, 7, 64):
                async with client.stream("GET", served.url) as response:
                    fragments = response.aiter_bytes(size)
                    assert [event async for event in ServerSentEvents().astream(fragments)] == EVENTS

    run(main())


def test_aiohttp_reads_every_cut() -> None:
    aiohttp = pytest.importorskip("aiohttp", reason="the client here is aiohttp")

    async def main() -> None:
        fragments = cut(ANSWER, SIZES)
        async with serving(Served(fragments, waits=True)) as served, aiohttp.ClientSession() as session:
            seen: list[bytes] = []
            async with session.get(served.url) as response:
                noted = served.noted(response.content.iter_any(), seen)
                events = [event async for event in ServerSentEvents().astream(noted)]
            assert events == EVENTS
            assert (seen, served.to_end) == (fragments, 1)
        async with serving(Served(cut(ANSWER, (1000, 3)))) as served, aiohttp.ClientSession() as session:
            for size in (1, 2, 3, 7, 64):
                async with session.get(served.url) as response:
                    fragments = response.content.iter_chunked(size)
                    assert [event async for event in ServerSentEvents().astream(fragments)] == EVENTS
            async with session.get(served.url) as response:
                assert [
                    event async for event in ServerSentEvents().astream(response.content.iter_any())
                ] == EVENTS

    run(main())


def test_a_stop_closes_the_response_and_the_server_sees_it() -> None:
    httpx = pytest.importorskip("httpx", reason="the client here is httpx")

    async def main() -> None:
        fragments = cut(ANSWER + DONE + b"data: late\n\n", (3, 1, 50))
        async with serving(Served(fragments, endless=True)) as served, httpx.AsyncClient() as client:
            stage = ServerSentEvents(stop="[DONE]")
            async with client.stream("GET", served.url) as response:
                assert [event async for event in stage.astream(response.aiter_bytes())] == EVENTS
                await served.left.wait()  # while the block of the response is still open
            async with client.stream("GET", served.url) as response:
                stream = (stage | ops.map(lambda event: event.id)).astream(response.aiter_bytes())
                assert [number async for number in stream] == [event.id for event in EVENTS]
                await served.left.wait()
            assert served.to_end == 0

    run(main())


def test_a_break_closes_the_response_and_the_server_sees_it() -> None:
    httpx = pytest.importorskip("httpx", reason="the client here is httpx")

    def endless() -> Iterable[bytes]:
        return chain.from_iterable(
            cut(Event(data="x" * 1000, id=str(n)).encode(), (7, 300)) for n in range(1 << 40)
        )

    async def main() -> None:
        async with serving(Served(endless())) as served, httpx.AsyncClient() as client:
            async with client.stream("GET", served.url) as response:
                async with aclosing(ServerSentEvents().astream(response.aiter_bytes())) as events:
                    async for event in events:
                        if event.id == "4":
                            break
                await served.left.wait()
            async with client.stream("GET", served.url) as response:
                first = (ServerSentEvents(as_=str) | ops.take(3)).astream(response.aiter_bytes())
                assert [len(data) async for data in first] == [1000] * 3
                await served.left.wait()
            assert served.to_end == 0

    run(main())


def test_aiohttp_stops_early() -> None:
    """What aiohttp gives to iterate over cannot be closed: the server sees it at the end of the response's block."""
    aiohttp = pytest.importorskip("aiohttp", reason="the client here is aiohttp")

    async def main() -> None:
        fragments = cut(ANSWER + DONE, (3, 1, 50))
        async with serving(Served(fragments, endless=True)) as served, aiohttp.ClientSession() as session:
            stage = ServerSentEvents(stop="[DONE]")
            async with session.get(served.url) as response:
                assert [event async for event in stage.astream(response.content.iter_any())] == EVENTS
            await served.left.wait()
            async with session.get(served.url) as response:
                events = ServerSentEvents().astream(response.content.iter_any())
                assert await anext(events) == EVENTS[0]
                await events.aclose()
            await served.left.wait()
            assert served.to_end == 0

    run(main())


def test_a_cancelled_reader_closes_the_response() -> None:
    httpx = pytest.importorskip("httpx", reason="the client here is httpx")

    async def main() -> None:
        async with serving(Served([ANSWER], endless=True)) as served, httpx.AsyncClient() as client:
            got: asyncio.Queue[Event] = asyncio.Queue()

            async def read() -> None:
                async with client.stream("GET", served.url) as response:
                    async for event in ServerSentEvents().astream(response.aiter_bytes()):
                        got.put_nowait(event)

            reader = asyncio.create_task(read())
            assert [await got.get() for _ in EVENTS] == EVENTS
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
            await served.left.wait()

    run(main())


def test_a_sync_client_in_a_thread() -> None:
    httpx = pytest.importorskip("httpx", reason="the client here is httpx")

    def read(url: str) -> list[Event]:
        with httpx.Client() as client, client.stream("GET", url) as response:
            return list(ServerSentEvents(stop="[DONE]").stream(response.iter_bytes()))

    async def main() -> None:
        async with serving(Served(cut(ANSWER + DONE, SIZES), endless=True)) as served:
            assert await asyncio.to_thread(read, served.url) == EVENTS
            await served.left.wait()

    run(main())


def test_a_recorded_answer_of_a_model() -> None:
    """The chain of the recipes, on bytes as a server of models sends them."""
    httpx = pytest.importorskip("httpx", reason="the client here is httpx")
    recorded = RECORDED.read_bytes()
    loads = ServerSentEvents(stop="[DONE]", as_=str) | ops.map(json.loads)
    expected = loads.invoke(recorded)
    sizes = [random.Random(number).randint(1, 40) for number in range(50)]

    async def main() -> None:
        async with (
            serving(Served(cut(recorded, sizes), endless=True)) as served,
            httpx.AsyncClient() as client,
            client.stream("GET", served.url) as response,
        ):
            assert [event async for event in loads.astream(response.aiter_bytes())] == expected
            await served.left.wait()

    assert expected
    run(main())
