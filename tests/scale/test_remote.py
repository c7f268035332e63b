"""An object store in miniature: ranges of files by HTTP, counted, with failures on the way."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="URLs need fsspec")
pytest.importorskip("aiohttp", reason="fsspec reads HTTP by aiohttp")

import itertools

from streamcore.runnables import clock
from streamcore.scale import plan, read_records, reading


class Store:
    """Files by name, the requests for them, and how many of the next ones fail."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[int, int]] = []
        self.failing = 0
        self.every = 0
        self.address = ""

    def fails(self) -> bool:
        self.failing -= 1
        return self.failing >= 0 or bool(self.every and len(self.requests) % self.every == 0)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(store.files[self.path])))
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()

        def do_GET(self) -> None:
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            assert found
            start, end = int(found[1]), int(found[2]) + 1
            store.requests.append((start, end))
            if store.fails():
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = store.files[self.path][start:end]
            self.send_response(206)
            self.send_header("Content-Length", str(len(data)))
            self.send_header(
                "Content-Range", f"bytes {start}-{start + len(data) - 1}/{len(store.files[self.path])}"
            )
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    store.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield store
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(clock, "sleep", waits.append)
    monkeypatch.setattr(reading.RemoteRanges, "block", 1000)
    return waits


LINES = [b"%06d %s" % (n, b"x" * (n % 50)) for n in range(400)]


def test_few_requests_and_no_byte_twice(store: Store, waits: list[float]) -> None:
    store.files["/a"] = b"".join(line + b"\n" for line in LINES)
    made = plan(f"{store.address}/a", target=4000)
    found = []
    for part in made:
        store.requests.clear()
        found += [record.content for record in read_records(made, part)]
        piece = part.pieces[0]
        inside = [(start, end) for start, end in store.requests if start < piece.end]
        # the byte before the piece says whether a record starts with it
        assert inside[0][0] == max(piece.start - 1, 0)
        assert all(end == start for (_, end), (start, _) in itertools.pairwise(inside))
        assert len(inside) <= -(-(piece.end - piece.start) // 1000) + 1
        assert len(store.requests) - len(inside) <= 1
    assert found == LINES
    assert not waits


def test_requests_that_fail_are_made_again(store: Store, waits: list[float]) -> None:
    store.files["/a"] = b"".join(line + b"\n" for line in LINES)
    made = plan(f"{store.address}/a", target=4000)
    store.every = 3
    found = [record.content for part in made for record in read_records(made, part)]
    assert found == LINES
    assert len(waits) == len(store.requests) // 3
    assert all(0.5 <= wait <= 1 for wait in waits)


def test_a_store_that_is_down(store: Store, waits: list[float]) -> None:
    store.files["/a"] = b"".join(line + b"\n" for line in LINES)
    made = plan(f"{store.address}/a", target=4000)
    store.failing = 1000
    with pytest.raises(Exception, match="503") as caught:
        list(read_records(made, made[1]))
    assert caught.value.__notes__ == [f"{store.address}/a, bytes 3999 to 4999: 6 requests failed"]
    assert len(store.requests) == 6
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits))
    store.failing = 0
    store.files["/a"] = store.files["/a"][:5000]
    with pytest.raises(reading.InputChanged, match="bytes from byte"):
        list(read_records(made, made[1]))
    assert threading.active_count() < 20
