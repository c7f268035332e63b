"""The server of the live page, over sockets: what comes when, and that a source ends with its client."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys

import pytest

from streamcore import BPE, ServerSentEvents

STREAM, WHOLE = "/stream?question=0&seed=1&rate=40", "/whole?question=0&seed=1&rate=40"


class Client:
    """One request, whose answer is read as it comes."""

    def __init__(self, port, path):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.request("GET", path)
        self.response = self.connection.getresponse()
        self.events = ServerSentEvents().stream(iter(lambda: self.response.read1(65536), b""))

    def close(self):
        self.response.close()
        self.connection.close()


@pytest.fixture
def client(live):
    clients = []

    def client(path):
        clients.append(Client(live.port, path))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


def texts(events):
    return {
        name: "".join(event.data for event in events if event.event == name)
        for name in ("thinking", "answer")
    }


def test_both_forms_give_the_answer_and_its_thinking(live, client, driven):
    live.allow()
    bpe = BPE.gpt2()
    for number, answer in enumerate(sys.modules["app"].ANSWERS):
        events = list(client(f"/stream?question={number}&seed=1&rate=40").events)
        assert (events[-1].event, events[-1].data) == ("done", str(bpe.count(answer["text"].strip())))
        assert "<think>{thinking}</think>{answer}".format(**texts(events)) == answer["text"].strip()
        counts = [int(event.id) for event in events[:-1]]
        assert counts == sorted(counts)
        assert len(set(counts)) > 100
        whole = json.loads(client(f"/whole?question={number}&seed=1&rate=40").response.read())
        assert whole == {**texts(events), "tokens": int(events[-1].data)}
        assert "\N{REPLACEMENT CHARACTER}" not in str(whole)


def test_a_token_is_sent_before_the_next_one_is_made(live, client):
    live.allow(3)  # the marker
    stream = client(STREAM)
    for number in range(4, 20):
        live.allow(number)
        assert int(next(stream.events).id) == number
        assert live.sources.open == 1
    live.allow()
    assert list(stream.events)[-1].event == "done"
    live.sources.until_open(0)


@pytest.mark.parametrize("path", [STREAM, WHOLE])
@pytest.mark.parametrize("tokens", [0, 9])
def test_a_client_that_goes_away_ends_its_source_though_no_token_comes(live, client, path, tokens):
    live.allow(tokens)
    here, gone = client(path), client(path)
    live.sources.until_open(2)
    gone.close()
    live.sources.until_open(1)
    live.allow()
    assert b"euro" in here.response.read()
    live.sources.until_open(0)


def test_fifty_clients_have_their_sources_and_leave_none(live, client):
    clients = [client(STREAM) for _ in range(50)]
    live.sources.until_open(50)
    assert json.loads(client("/sources").response.read()) == {"open": 50}
    for each in clients[::2]:
        each.close()
    live.sources.until_open(25)
    live.allow()
    assert len({each.response.read() for each in clients[1::2]}) == 1
    live.sources.until_open(0)


def test_a_server_that_stops_tells_those_who_read(live, client):
    live.allow(9)
    stream, whole = client(STREAM), client(WHOLE)
    live.sources.until_open(2)
    live.stop()
    assert list(stream.events)[-1].event == "stopped"
    assert json.loads(whole.response.read()) == {"stopped": "the server ends"}


def test_what_cannot_be_asked_is_refused_in_words(client):
    for query, reason in {
        "": "must be whole numbers",
        "question=0&seed=x&rate=1": "must be whole numbers",
        "question=3&seed=1&rate=1": "there are questions 0 to 2, not 3",
        "question=-1&seed=1&rate=1": "not -1",
        "question=0&seed=1&rate=0": "rate must be 1 to 1000 tokens per second, not 0",
        "question=0&seed=1&rate=nan": "not nan",
    }.items():
        for path in "stream", "whole":
            response = client(f"/{path}?{query}").response
            assert response.status == 400
            assert reason in response.read().decode()


def test_the_page_takes_nothing_from_elsewhere(client):
    response = client("/").response
    page = response.read().decode()
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert '<option value="2">What is a river called elsewhere?</option>' in page
    for name in "page.css", "page.js":
        assert f'"{name}"' in page
        page += client(f"/{name}").response.read().decode()
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"""(src|href|url)[=(]["']?//|@import""", page)


def test_a_seed_has_its_pace(live, client, driven, monkeypatch):
    waits = []
    begin = live.sources.begin
    monkeypatch.setattr(live.sources, "begin", lambda *wait: (waits.append(wait[1]), begin(*wait)))
    live.allow()
    paces = []
    for seed in 1, 1, 2:
        client(f"/whole?question=0&seed={seed}&rate=40").response.read()
        paces.append(waits[:])
        waits.clear()
    assert paces[0] == paces[1] != paces[2]
    first, *others = paces[0]
    assert 0.3 <= first <= 0.9
    assert 0.02 < sum(others) / len(others) < 0.03
    assert len(set(others)) == len(others)


def run(driven, *arguments):
    return subprocess.Popen(
        [sys.executable, driven.HERE / "app.py", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_port_that_is_taken_is_named(driven):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        out, errors = run(driven, "--port", str(port)).communicate(timeout=60)
    assert out == ""
    assert errors.startswith(f"app.py: cannot listen on 127.0.0.1, port {port}: ")
    assert "--port 0" in errors
    assert [len(line) < 80 for line in errors.splitlines()] == [True, True]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process alone")
def test_an_interrupt_ends_it_with_streams_open(driven):
    with run(driven, "--port", "0") as server:
        port = int(server.stdout.readline().split("/")[2].split(":")[1])
        reading = Client(port, STREAM)
        idle = Client(port, "/sources")
        assert next(reading.events).event == "thinking"
        server.send_signal(signal.SIGINT)
        assert list(reading.events)[-1].event == "stopped"
        out, errors = server.communicate(timeout=60)
        assert (server.returncode, out, errors) == (0, "ended\n", "")
        reading.close()
        idle.close()
