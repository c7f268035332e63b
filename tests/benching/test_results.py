"""JSON and back, comparison, tables and the picture."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from streamcore.benching import machine
from streamcore.benching.plot import WIDTH, svg
from streamcore.benching.report import footer, table_lines, warnings
from streamcore.benching.results import SCHEMA, Row, Run, Table, compared, number, read

NATIVE = Row("native", 200.0, 190.0, 210.0, 180.0, 220.0, 9)
PEER = Row("a <peer> & co", 50.0, 40.0, 60.0, 30.0, 70.0, 9)
FLOOR = Row("floor", 400.0, 390.0, 410.0, 380.0, 420.0, 9)
RATE = Table(
    "lines", 'of "100" < B', "MB/s", "a copy", True, 1e6, [NATIVE, PEER], FLOOR, {"x": "pip install x"}
)
TIME = Table(
    "frames", "each", "ns an item", "objects", False, 1e3, [NATIVE, replace(PEER, median=800.0)], None
)
RUN = Run(
    {"cpu": "A & B", "python": "CPython 3.11.1", "numpy": "2.0"}, False, 0.1, "2026-01-02", [RATE, TIME]
)


def test_json_and_back() -> None:
    text = RUN.to_json()
    assert read(text) == RUN
    assert json.loads(text)["schema"] == SCHEMA


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "was not written by"),
        ("{}", "was not written by"),
        (RUN.to_json().replace('"schema": 1', '"schema": 99'), "has another schema; this version reads 1"),
        ('{"schema": 1}', "is not whole"),
        ('{"schema": 1, "tables": [7]}', "is not whole"),
        (RUN.to_json().replace('"median": 200.0', '"median": "fast"'), "median of native is no number"),
        (RUN.to_json().replace('"quick"', '"slow"'), "is not whole"),
    ],
)
def test_other_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(text)


def test_compared_with_an_earlier_run() -> None:
    faster = replace(NATIVE, median=400.0, low=390.0, high=410.0)
    now = replace(
        RUN,
        tables=[replace(RATE, rows=[faster, PEER]), replace(TIME, rows=[faster, replace(PEER, side="y")])],
    )
    lines = list(compared(now, RUN))
    assert [line.split()[:2] for line in lines[:1]] == [["lines,", "native"]]
    assert "2.00 x" in lines[0]
    assert "1.00 x" in lines[1]
    assert "within the spread" in lines[1]
    assert "within the spread" not in lines[0]
    assert "0.50 x" in lines[2]  # twice the time
    assert lines[3].endswith("not in the other file")
    assert len(lines) == 4


def test_what_else_is_not_the_same_is_told() -> None:
    old = replace(RUN, facts={**RUN.facts, "cpu": "C", "numpy": "1.0"}, quick=True)
    told = [line for line in compared(RUN, old) if not line.startswith(("lines", "frames"))]
    assert told[0].startswith("The inputs differ in size")
    assert told[1:] == ["Another cpu: C before, now A & B.", "Another numpy: 1.0 before, now 2.0."]


def test_a_table_as_text() -> None:
    head, _, native, peer, floor, missing = table_lines(RATE)
    assert head.startswith('lines: of "100" < B; MB/s, 9 rounds')
    assert native.split() == ["native", "200", "190", "..", "210", "1.00", "x", "2.00", "x"]
    assert peer.split()[-4:] == ["4.00", "x", "8.00", "x"]
    assert floor.endswith("a copy")
    assert missing == "  x: not there; pip install x"
    *_, last = table_lines(replace(RATE, differing=["y"], missing={}))
    assert last == "  y: another result than native; not timed"


def test_numbers_have_three_digits() -> None:
    assert [number(each) for each in (0.0123, 9.994, 9.996, 99.94, 99.96, 123456.7)] == [
        "0.01",
        "9.99",
        "10.0",
        "99.9",
        "100",
        "123,457",
    ]


def test_warnings_of_load_and_spread() -> None:
    quiet = replace(RUN, tables=[replace(RATE, rows=[NATIVE])])
    assert list(warnings(quiet)) == []
    (loaded,) = warnings(replace(quiet, load=0.5))
    assert "50% of its cores" in loaded
    (wide,) = warnings(RUN)
    assert wide.endswith("lines, a <peer> & co.")
    assert list(warnings(replace(quiet, load=None))) == []


def test_the_footer_has_the_facts() -> None:
    text = "\n".join(footer(replace(RUN, facts=machine.facts())))
    for part in (machine.cpu(), "CPython 3.", "streamcore ", "load 10%", "2026-01-02"):
        assert part in text


def test_the_picture_is_xml_and_holds_each_number() -> None:
    root = ElementTree.fromstring(svg(RUN))
    space = "{http://www.w3.org/2000/svg}"
    texts = ["".join(each.itertext()) for each in root.iter(f"{space}text")]
    for table in RUN.tables:
        for each in table.rows:
            assert f"{number(each.median)} {table.unit}" in texts
            assert each.side in texts
    assert 'lines: of "100" < B; MB/s, more is better' in texts
    assert any("A & B" in text for text in texts)
    assert root.get("width") == str(WIDTH)
    height = float(root.get("height") or 0)
    for each in root.iter(f"{space}rect"):
        assert float(each.get("x", 0)) + float(each.get("width", 0)) <= WIDTH
        assert float(each.get("y", 0)) + float(each.get("height", 0)) <= height
    bars = {each.get("class"): float(each.get("width", 0)) for each in root.iter(f"{space}rect")}
    assert bars["ours"] < bars["peer"]  # of the last case, where less is better


def test_the_picture_keeps_out_what_xml_cannot_hold() -> None:
    odd = replace(RATE, name="a\x00b\x1b", rows=[replace(NATIVE, side="x\x08", median=0.0)])
    ElementTree.fromstring(svg(replace(RUN, tables=[odd])))
