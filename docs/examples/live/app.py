"""A live page: the tokens of an answer over server-sent events, beside the same answer in one piece.

``python docs/examples/live/app.py`` starts it; it needs ``pip install '.[live]'``. docs/live.md tells about it.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import random
import socket
import sys
import tomllib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from streamcore import (
    BPE,
    Event,
    JSONLines,
    Runnable,
    RunnableConfig,
    RunnableLambda,
    Section,
    Sections,
    ServerSentEvents,
    ops,
)

HERE = Path(__file__).resolve().parent
ANSWERS: list[dict[str, str]] = tomllib.loads((HERE / "answers.toml").read_text(encoding="utf-8"))["answers"]
NO_FILE_FROM_ELSEWHERE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": NO_FILE_FROM_ELSEWHERE,
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",  # nginx passes on at once what comes
}
FIRST = 0.6  # seconds a model reads the question, give or take half of it


class Stopped(Exception):
    """The server ends while an answer is under way."""


class Sources:
    """The open sources of a server: counts them, and has them wait between tokens until ``stop``."""

    def __init__(self) -> None:
        self.open = 0
        self.waits: set[asyncio.Future[None]] = set()
        self.stopping = False

    def count(self, change: int) -> None:
        self.open += change

    async def wait(self, seconds: float, given: int) -> None:
        """Wait before the next token of an answer that has given so many."""
        if self.stopping:
            raise Stopped
        wait = asyncio.get_running_loop().create_future()
        self.waits.add(wait)
        try:
            self.begin(wait, seconds, given)
            await wait
        finally:
            self.waits.discard(wait)

    def begin(self, wait: asyncio.Future[None], seconds: float, given: int) -> None:
        """See to it that the wait is released; a test does it in its own time."""
        wait.get_loop().call_later(seconds, release, wait)

    def stop(self) -> None:
        self.stopping = True
        for wait in self.waits:
            if not wait.done():
                wait.set_exception(Stopped())


def release(wait: asyncio.Future[None]) -> None:
    if not wait.done():
        wait.set_result(None)


@dataclass
class Call:
    """One answer in the making: what is asked for, and how many of its tokens have been given."""

    text: str
    seed: int
    rate: float
    given: int = 0


class Model(Runnable[Call, list[int], int]):
    """Gives the ids of a text at the pace of a model: some time for the question, then ``rate`` a second, unevenly."""

    def __init__(self, bpe: BPE, sources: Sources) -> None:
        self.bpe = bpe
        self.sources = sources

    async def astream(self, input: Call, config: RunnableConfig | None = None) -> AsyncIterator[int]:
        chance = random.Random(input.seed)
        self.sources.count(+1)
        try:
            await self.sources.wait(FIRST * chance.uniform(0.5, 1.5), 0)
            for id in self.bpe.encode_to_list(input.text.strip()):
                input.given += 1
                yield id
                await self.sources.wait(chance.gammavariate(2, 0.5) / input.rate, input.given)
        finally:
            self.sources.count(-1)


class Events(Runnable[Section, Event]):
    """An event for each piece of a section; its id is the number of tokens up to it. Then one that says: complete."""

    def __init__(self, call: Call) -> None:
        self.call = call

    async def atransform(
        self, input: AsyncIterable[Section], config: RunnableConfig | None = None
    ) -> AsyncIterator[Event]:
        async for piece in input:
            if piece.text:
                yield Event(piece.name, piece.text, id=str(self.call.given))
        yield Event("done", str(self.call.given))


class ClosedAfterwards(StreamingResponse):
    """A response that closes its stream however it ends, also while the client takes nothing."""

    def __init__(self, chunks: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(chunks, media_type=media_type, headers=HEADERS)
        self.chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.chunks.aclose()  # type: ignore[attr-defined]


class LivePage:
    """The routes of the page, over one model; ``app`` is what a server runs."""

    def __init__(self, sources: Sources | None = None) -> None:
        bpe = BPE.gpt2()
        self.sources = sources or Sources()
        self.pieces = (
            Model(bpe, self.sources)
            | bpe.decoder()
            | Sections({"thinking": ("<think>", "</think>")}, default="answer")
        )
        self.app = Starlette(
            routes=[
                Route("/", page),
                Route("/page.css", page_file),
                Route("/page.js", page_file),
                Route("/stream", self.stream),
                Route("/whole", self.whole),
                Route("/sources", self.open_sources),
            ]
        )

    async def stream(self, request: Request) -> Response:
        """The answer as events, one for each piece of text that a token completes."""
        call = asked(request)
        chain = (
            self.pieces
            | Events(call)
            | ops.catch(Stopped, lambda error: [Event("stopped", "the server ends")])
            | ServerSentEvents.encoder()
        )
        return ClosedAfterwards(chain.astream(call), "text/event-stream")

    async def whole(self, request: Request) -> Response:
        """The same answer once it is complete: one chunk, since the step that folds it waits for its whole input.

        It is a stream all the same, so that it is cancelled when the client goes away: a plain endpoint would go on.
        """
        call = asked(request)

        async def folded(pieces: list[Section]) -> dict[str, object]:
            texts = {piece.name: "" for piece in pieces}
            for piece in pieces:
                texts[piece.name] += piece.text
            return {**texts, "tokens": call.given}

        chain = (
            self.pieces
            | RunnableLambda(folded)
            | ops.catch(Stopped, lambda error: [{"stopped": "the server ends"}])
            | JSONLines.encoder()
        )
        return ClosedAfterwards(chain.astream(call), "application/json")

    async def open_sources(self, request: Request) -> Response:
        return JSONResponse({"open": self.sources.open}, headers=HEADERS)


def asked(request: Request) -> Call:
    """What the query asks for; a 400 that says what is wrong with it."""
    query = request.query_params
    try:
        number, seed, rate = int(query["question"]), int(query["seed"]), float(query["rate"])
    except (KeyError, ValueError) as error:
        raise HTTPException(400, "question and seed must be whole numbers, rate a number") from error
    if not 0 <= number < len(ANSWERS):
        raise HTTPException(400, f"there are questions 0 to {len(ANSWERS) - 1}, not {number}")
    if not 1 <= rate <= 1000:
        raise HTTPException(400, f"rate must be 1 to 1000 tokens per second, not {rate:g}")
    return Call(ANSWERS[number]["text"], seed, rate)


async def page(request: Request) -> Response:
    questions = "".join(
        f'<option value="{number}">{html.escape(answer["question"])}</option>'
        for number, answer in enumerate(ANSWERS)
    )
    text = (HERE / "page.html").read_text(encoding="utf-8")
    return HTMLResponse(text.replace("<!-- questions -->", questions), headers=HEADERS)


async def page_file(request: Request) -> Response:
    path = HERE / request.url.path.lstrip("/")
    kind = {".css": "text/css", ".js": "text/javascript"}[path.suffix]
    return Response(path.read_bytes(), media_type=kind, headers=HEADERS)


class Server(uvicorn.Server):
    """Ends the answers that are under way when it is told to stop, before it waits for their connections."""

    def __init__(self, live: LivePage) -> None:
        config = uvicorn.Config(
            live.app, lifespan="off", log_level="warning", ws="none", timeout_graceful_shutdown=1
        )
        super().__init__(config)
        self.sources = live.sources

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.sources.stop()
        ending = asyncio.create_task(self.end_connections())
        await super().shutdown(sockets)
        ending.cancel()

    async def end_connections(self) -> None:
        """Close what is idle, again and again: uvicorn does it once, and a connection accepted just then would stay."""
        while True:
            for connection in list(self.server_state.connections):
                transport = connection.transport
                if transport is not None and not transport.is_closing():
                    connection.shutdown()
            await asyncio.sleep(0.05)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; OSError where another program does."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="app.py", description="A page that shows a stream of tokens live.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s; 0: any that is free")
    options = parser.parse_args(arguments)
    try:
        listener = listening(options.host, options.port)
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        print(f"app.py: cannot listen on {options.host}, port {options.port}: {reason}", file=sys.stderr)
        print("app.py: choose another one with --port, or any that is free with --port 0", file=sys.stderr)
        return 1
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"http://{host}:{listener.getsockname()[1]}/  (Ctrl-C ends it)", flush=True)
    try:
        Server(LivePage()).run(sockets=[listener])
    except KeyboardInterrupt:
        print("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
