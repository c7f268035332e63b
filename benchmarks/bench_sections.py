"""F11: ``Sections`` and ``Stop`` beside the loop that one writes by hand: ``str.find``, and a tail held back::

    pytest benchmarks/bench_sections.py

Deltas of 4 characters as models send them, and fragments of 4 KiB; 1 MB of text with a section of 300 characters in
each 3,000. The loop by hand holds a tail as long as the marker always, which is the cheapest way; so it gives text
later.

Sections: 78 ns a delta of 4 characters (by hand 203, 2.6 times), 0.58 us a fragment of 4 KiB (2.5, 4.4 times). Stop: 66
ns (181, 2.7 times), 0.23 us (2.0, 8.5 times). (CPython 3.11, 2 shared cores of Zen 4.) The twins: 1.0 and 0.9 us a
delta, 7 and 2.9 us a fragment; most of it is the engine's life cycle and the making of a Section.
"""

from __future__ import annotations

import pytest

pytest.importorskip("pytest_benchmark")

SIZE = 1_000_000
FIRST, LAST = "<think>", "</think>"


def model_text() -> str:
    word = "Some words of an answer, with <b>bold</b> ones and a few more after it. "
    return "".join(word * 37 + FIRST + word * 4 + LAST for _ in range(SIZE // 3000))


@pytest.fixture(params=[4, 4096])
def fragments(request) -> tuple[int, list[str]]:
    text = model_text()
    return request.param, [text[at : at + request.param] for at in range(0, len(text), request.param)]


def sections_by_hand(fragments):
    held, inside, marker = "", False, FIRST
    for fragment in fragments:
        text = held + fragment
        while (at := text.find(marker)) >= 0:
            if at or inside:
                yield inside, text[:at]
            text = text[at + len(marker) :]
            inside = not inside
            marker = LAST if inside else FIRST
        sure = len(text) - len(marker) + 1
        if sure > 0:
            yield inside, text[:sure]
            held = text[sure:]
        else:
            held = text
    if held:
        yield inside, held


def stop_by_hand(fragments, stop="<|end|>"):
    held = ""
    for fragment in fragments:
        text = held + fragment
        at = text.find(stop)
        if at >= 0:
            yield text[:at]
            return
        sure = len(text) - len(stop) + 1
        if sure > 0:
            yield text[:sure]
            held = text[sure:]
        else:
            held = text
    yield held


def drain(items):
    for _ in items:
        pass


def by_section(pieces):
    whole: list[list[object]] = []
    for inside, text in pieces:
        if text and whole and whole[-1][0] == inside:
            whole[-1][1] += text  # type: ignore[operator]
        elif text:
            whole.append([inside, text])
    return whole


def test_sections(measure, backend, fragments):
    size, parts = fragments
    make = backend.SectionsEngine
    pieces = [
        (item.name == "think", item.text) for item in make({"think": (FIRST, LAST)}).iterate(iter(parts))
    ]
    assert by_section(pieces) == by_section(sections_by_hand(parts))
    measure(f"sections, {size}", lambda: drain(make({"think": (FIRST, LAST)}).iterate(iter(parts))), SIZE)


def test_sections_by_hand(measure, fragments):
    size, parts = fragments
    measure(f"sections, {size}", lambda: drain(sections_by_hand(parts)), SIZE)


def test_stop(measure, backend, fragments):
    size, parts = fragments
    assert "".join(backend.StopEngine("<|end|>").iterate(iter(parts))) == "".join(stop_by_hand(parts))
    measure(f"stop, {size}", lambda: drain(backend.StopEngine("<|end|>").iterate(iter(parts))), SIZE)


def test_stop_by_hand(measure, fragments):
    size, parts = fragments
    measure(f"stop, {size}", lambda: drain(stop_by_hand(parts)), SIZE)
