"""Takes anew what a browser's ``EventSource`` makes of the inputs in ``chromium_vectors.json``.

``python tests/data/sse/take_chromium_vectors.py [BROWSER]`` (``chromium``) serves each input over loopback in fragments
of 1 to 7 bytes, lets a page in a headless browser write down its events, and writes the file. Tests need no browser.
Where it and the standard differ the standard holds: Chromium 156 overlooks a line end right behind the byte-order mark,
so that ``\\ufeff\\rdata: q\\r\\r`` gives it nothing; no input here has that.
"""

from __future__ import annotations

import base64
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

VECTORS = Path(__file__).parent / "chromium_vectors.json"
SECONDS = 120
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
# A listener hears one kind of event: the server says which kinds an input can have. An error ends a stream.
PAGE = """<!doctype html><meta charset="utf-8"><script>
async function eventsOf(number, kinds) {
  return new Promise(done => {
    const events = [], source = new EventSource("/stream?" + number);
    const hear = e => {
      if (e instanceof MessageEvent) events.push({event: e.type, data: e.data, id: e.lastEventId});
    };
    kinds.forEach(kind => source.addEventListener(kind, hear));
    source.addEventListener("error", e => {
      if (!(e instanceof MessageEvent)) { source.close(); done(events); }
    });
  });
}
(async () => {
  const cases = await (await fetch("/cases")).json(), all = [];
  for (let number = 0; number < cases.length; number++) all.push(await eventsOf(number, cases[number]));
  await fetch("/taken", {method: "POST", body: JSON.stringify({browser: navigator.userAgent, all})});
})();
</script>"""


def kinds(data: bytes) -> list[str]:
    """All that could be the kind of an event in these bytes."""
    text = data.decode("utf-8", "replace")
    after = [re.split("[\r\n]", text[found.end() :])[0] for found in re.finditer("event:", text)]
    return sorted(
        {"message", *after, *(each[1:] for each in after), *(each.strip() for each in after)} - {""}
    )


class Taking(ThreadingHTTPServer):
    """Serves the page and the inputs, until the page has sent what it saw."""

    def __init__(self, inputs: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.inputs = inputs
        self.taken: dict[str, object] = {}
        self.is_taken = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Taking

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/stream":
            data = self.server.inputs[int(query)]
            rng = random.Random(len(data))
            cuts = [0]
            while cuts[-1] < len(data):
                cuts.append(cuts[-1] + rng.randrange(1, 8))
            self.answer("text/event-stream", *(data[a:b] for a, b in pairwise(cuts)))
        elif path == "/cases":
            self.answer("application/json", json.dumps([kinds(each) for each in self.server.inputs]).encode())
        elif path == "/":
            self.answer("text/html", PAGE.encode())
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        self.server.taken = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer("text/plain")
        self.server.is_taken.set()

    def answer(self, kind: str, *fragments: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        for fragment in fragments:
            self.wfile.write(fragment)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


def main(browser: str = "chromium") -> None:
    inputs = [each["input"] for each in json.loads(VECTORS.read_text())["vectors"]]
    with Taking([base64.b64decode(each) for each in inputs]) as server, tempfile.TemporaryDirectory() as home:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_address[1]}/"
        command = [browser, *FLAGS, f"--user-data-dir={home}/profile", page]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            came = server.is_taken.wait(SECONDS)
            running.terminate()
        server.shutdown()
    if not came:
        raise SystemExit(f"{browser} sent nothing in {SECONDS} seconds")
    vectors = [{"input": a, "events": b} for a, b in zip(inputs, server.taken["all"], strict=True)]
    VECTORS.write_text(json.dumps({"browser": server.taken["browser"], "vectors": vectors}, indent=1))
    print(
        server.taken["browser"],
        len(vectors),
        "inputs",
        sum(len(each["events"]) for each in vectors),
        "events",
    )


if __name__ == "__main__":
    main(*sys.argv[1:2])
