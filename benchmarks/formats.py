"""F1 to F13, both sides in one process: ``python benchmarks/formats.py [ROUNDS] [F1 ...]``.

Results are compared first. Then each round times every side, warm and for 20 ms at the least; printed are medians, how
many times as fast as a peer we are, and the mark. Peers that are not installed are named and left out. The figures
stand in docs/speed.md.
"""

from __future__ import annotations

import gc
import json
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from io import BufferedReader, BytesIO
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import bench_cdc  # noqa: E402
import bench_events  # noqa: E402
import bench_frames  # noqa: E402
import bench_json_deltas  # noqa: E402
import bench_sections  # noqa: E402
from conftest import Backend, Corpus  # noqa: E402

LEAST = 0.02  # seconds that a side is timed for in a round
NATIVE, PURE = Backend("native"), Backend("pure")
CORPUS = Corpus(Path(sysconfig.get_paths()["stdlib"]))


class Row(NamedTuple):
    """``marks``: (a side, another one, how many times as fast the first should be)."""

    title: str
    unit: str
    count: int
    sides: dict[str, Callable[[], Any]]
    marks: list[tuple[str, str, float]]


def drain(items: Any) -> None:
    for _ in items:
        pass


def has(module: str) -> bool:
    if find_spec(module) is None:
        print(f"  {module} is not installed")
        return False
    return True


def equal(*results: Any) -> None:
    first, *others = results
    for other in others:
        assert first == other


# ---- F1, F2: events ----


def events() -> Iterator[Row]:
    data, count = bench_events.EVENT * 5000, 5000
    cuts: dict[str, list[bytes]] = {
        str(size): bench_events.fragments(data, size) for size in bench_events.SIZES
    }
    cuts["1-16 KiB"] = CORPUS.random_fragments(data, 8192)
    for name, parts in cuts.items():
        yield event_row(name, parts, count)


def event_row(name: str, parts: list[bytes], count: int) -> Row:
    def mine(backend: Backend, as_: Any = "event") -> Any:
        return backend.ServerSentEventsEngine(as_=as_).iterate(iter(parts))

    def shown(items: Any) -> list[Any]:
        return [(item.event, item.data) for item in items]

    sides: dict[str, Callable[[], Any]] = {
        "events": lambda: drain(mine(NATIVE)),
        "events, text made": lambda: [event.data for event in mine(NATIVE)],
        "bytes": lambda: drain(mine(NATIVE, bytes)),
        "pure": lambda: drain(mine(PURE)),
    }
    equal(shown(mine(NATIVE)), shown(mine(PURE)))
    marks = []
    if has("httpx_sse") and has("httpx"):
        httpx, httpx_sse = import_module("httpx"), import_module("httpx_sse")

        def by_httpx_sse() -> Any:
            response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter(parts))
            return httpx_sse.EventSource(response).iter_sse()

        equal(shown(mine(NATIVE)), shown(by_httpx_sse()))
        sides["httpx-sse"] = lambda: drain(by_httpx_sse())
        marks += [("events", "httpx-sse", 10 if name == "50" else 14), ("pure", "httpx-sse", 0.8)]
        if name != "50":
            marks.append(("bytes", "httpx-sse", 18))
    if has("openai"):
        decoder = import_module("openai._streaming").SSEDecoder

        def by_openai() -> Any:
            return decoder().iter_bytes(iter(parts))

        equal([item.data for item in mine(NATIVE)], [item.data for item in by_openai()])
        sides["openai"] = lambda: drain(by_openai())
        marks.append(("events", "openai", 20))
    return Row(f"F1, F2: events of 200 B, fragments of {name} B", "event", count, sides, marks)


# ---- F3: frames ----


def frames() -> Iterator[Row]:
    items = bench_frames.bodies()[:20_000]
    for prefix, reader, slices in (
        ("u32be", bench_frames.by_reader, bench_frames.by_slices),
        ("varint", bench_frames.by_reader_varint, bench_frames.by_slices_varint),
    ):
        data = bench_frames.framed(prefix, items)
        cuts = bench_frames.fragments(data)

        def mine(
            backend: Backend, way: str = "iterate", prefix: str = prefix, cuts: list[bytes] = cuts
        ) -> Any:
            return getattr(backend.LengthPrefixedEngine(prefix), way)(iter(cuts))

        equal(items, list(mine(NATIVE)), list(mine(PURE)), list(reader(data)), list(slices(data)))
        sides = {
            "items": lambda mine=mine: drain(mine(NATIVE)),
            "batches": lambda mine=mine: bench_frames.sizes(mine(NATIVE, "batches")),
            "pure": lambda mine=mine: drain(mine(PURE)),
            "loop over a reader": lambda reader=reader, data=data: drain(reader(data)),
            "loop over bytes": lambda slices=slices, data=data: drain(slices(data)),
        }
        marks = [("items", "loop over a reader", 8.0), ("items", "loop over bytes", 8.0)]
        marks += [("batches", "loop over bytes", 25.0), ("pure", "loop over a reader", 0.8)]
        yield Row(f"F3: frames of 100 B, {prefix}", "frame", len(items), sides, marks)


# ---- F4: records ----


def records() -> Iterator[Row]:
    count = 10_000
    data = bench_events.RECORD * count
    parts = bench_events.fragments(data, 65536)

    def batches(backend: Backend) -> int:
        return sum(map(len, backend.JSONLinesEngine().batches(iter(parts))))

    equal(batches(NATIVE), batches(PURE), len(data.split(b"\n")) - 1)
    sides: dict[str, Callable[[], Any]] = {
        "batches": lambda: batches(NATIVE),
        "pure": lambda: batches(PURE),
        "bytes.split": lambda: data.split(b"\n"),
    }
    marks = [("batches", "bytes.split", 1.5), ("pure", "bytes.split", 0.8)]
    yield Row("F4: records of 300 B, framing", "record", count, sides, marks)
    for name, mark in (("orjson", 1.05), ("json", 1.0)):
        if has(name):
            yield loaded_row(name, mark, data, parts, count)


def loaded_row(name: str, mark: float, data: bytes, parts: list[bytes], count: int) -> Row:
    loads = import_module(name).loads

    def mine(backend: Backend) -> Any:
        return backend.JSONLinesEngine(loads).iterate(iter(parts))

    def by_file() -> Any:
        return map(loads, BufferedReader(BytesIO(data)))  # type: ignore[type-var]

    equal(list(mine(NATIVE)), list(mine(PURE)), list(by_file()))
    sides = {
        "items": lambda: drain(mine(NATIVE)),
        "pure": lambda: drain(mine(PURE)),
        "loop over a file": lambda: drain(by_file()),
    }
    marks = [("items", "loop over a file", mark), ("pure", "loop over a file", 0.8)]
    return Row(f"F4: records of 300 B by {name}.loads", "record", count, sides, marks)


# ---- F5, F6: chunks by content ----


def chunks() -> Iterator[Row]:
    for kind, make in bench_cdc.DATA.items():
        yield chunk_row(kind, make()[:8_000_000])


def chunk_row(kind: str, data: bytes) -> Row:
    cuts = bench_cdc.fragments(data)
    few = data[:200_000]

    def mine(backend: Backend, data: bytes = data, **options: Any) -> Any:
        return backend.ContentDefinedEngine(**options).iterate(iter([data]))

    def in_bytes(items: Any) -> list[bytes]:
        return [bytes(getattr(item, "data", item)) for item in items]

    wanted = in_bytes(mine(NATIVE))
    equal(in_bytes(mine(NATIVE, few)), in_bytes(mine(PURE, few)))
    equal(wanted, in_bytes(NATIVE.ContentDefinedEngine().iterate(iter(cuts))))
    sides: dict[str, Callable[[], Any]] = {
        "one fragment": lambda: drain(mine(NATIVE)),
        "1 MiB fragments": lambda: drain(NATIVE.ContentDefinedEngine().iterate(iter(cuts))),
        "ram": lambda: drain(mine(NATIVE, algorithm="ram")),
        "pure, x 1/40": lambda: drain(mine(PURE, few)),
    }
    marks = [("ram", "one fragment", 5.0)]
    if has("pyfastcdc"):
        peer = import_module("pyfastcdc").FastCDC(16384)
        equal(wanted, in_bytes(peer.cut_buf(data)))
        sides["cut_buf"] = lambda: drain(peer.cut_buf(data))
        sides["cut_stream"] = lambda: drain(peer.cut_stream(BytesIO(data)))
        marks += [("one fragment", "cut_buf", 1.0), ("1 MiB fragments", "cut_stream", 1.3)]
    if has("fastcdc"):
        fastcdc = import_module("fastcdc").fastcdc
        plain = import_module("fastcdc.fastcdc_py").fastcdc_py
        sides["fastcdc"] = lambda: drain(fastcdc(data, 4096, 16384, 65536))
        sides["fastcdc_py, x 1/40"] = lambda: drain(plain(few, 4096, 16384, 65536))
        marks += [("one fragment", "fastcdc", 2.0), ("pure, x 1/40", "fastcdc_py, x 1/40", 0.8)]
    return Row(f"F5, F6: chunks of 16 KiB, {kind}", "MB", len(data) // 1_000_000, sides, marks)


# ---- F7, F8: splits ----


def splits() -> Iterator[Row]:
    text = CORPUS.text(10_000_000).decode("ascii", "ignore")
    yield from split_rows(text)
    yield token_row(text[:300_000])


def split_rows(text: str) -> Iterator[Row]:
    megabytes = len(text) // 1_000_000

    def edges() -> Any:
        engine = NATIVE.TextSplitterEngine(4096, separators=("\n",), strip=False)
        return [batch.starts for batch in engine.batches(iter((text,)))]

    if has("memchunk"):
        offsets, data = import_module("memchunk").chunk_offsets, text.encode()
        engine = NATIVE.TextSplitterEngine(4096, separators=("\n",), strip=False)
        mine = [(chunk.start, chunk.stop) for chunk in engine.iterate(iter((text,)))]
        equal(mine, [tuple(pair) for pair in offsets(data, 4096, b"\n")])
        sides = {"offsets": edges, "memchunk": lambda: offsets(data, 4096, b"\n")}
        yield Row("F7: 4096 characters at LF alone", "MB", megabytes, sides, [("offsets", "memchunk", 1.0)])
    if has("langchain_text_splitters"):
        made = import_module("langchain_text_splitters").RecursiveCharacterTextSplitter
        theirs = made(chunk_size=4096, chunk_overlap=0, keep_separator="end")
        whole = text[:1_000_000]

        def items(backend: Backend, as_: Any) -> Any:
            return backend.TextSplitterEngine(4096, as_=as_).iterate(iter((whole,)))

        wanted = [chunk.strip() for chunk in theirs.split_text(whole) if chunk.strip()]
        equal(wanted, list(items(NATIVE, str)), list(items(PURE, str)))
        sides = {
            "items": lambda: drain(items(NATIVE, "chunk")),
            "pure": lambda: drain(items(PURE, "chunk")),
            "langchain": lambda: theirs.split_text(whole),
        }
        marks = [("items", "langchain", 20.0), ("pure", "langchain", 0.8)]
        yield Row("F7: 4096 characters at four separators", "MB", 1, sides, marks)


def token_row(text: str) -> Row:
    from bpe_corpora import PATTERNS, ranks

    from streamcore import BPE
    from streamcore.vocab.encodings import GPT2

    if has("quicktok"):
        name, pattern = "cl100k", PATTERNS["cl100k"]
        bpe = BPE.from_ranks(ranks(name), pattern)
    else:
        name, pattern, bpe = "gpt2", GPT2, BPE.gpt2()

    def mine(backend: Backend, length: Any) -> Any:
        return backend.TextSplitterEngine(512, length=length, as_=str).iterate(iter((text,)))

    sides: dict[str, Callable[[], Any]] = {"chunks": lambda: drain(mine(NATIVE, bpe))}
    marks = []
    if has("tiktoken"):
        peer = import_module("tiktoken").Encoding(
            name, pat_str=pattern, mergeable_ranks=dict(bpe.ranks), special_tokens={}
        )

        def length(piece: str) -> int:
            return len(peer.encode_ordinary(piece))

        wanted = list(mine(NATIVE, bpe))
        equal(wanted, list(mine(PURE, length)))
        assert max(map(length, wanted)) <= 512
        sides["pure, tiktoken"] = lambda: drain(mine(PURE, length))
        if has("langchain_text_splitters"):
            made = import_module("langchain_text_splitters").RecursiveCharacterTextSplitter
            theirs = made(chunk_size=512, chunk_overlap=0, keep_separator="end", length_function=length)
            found = theirs.split_text(text)
            print(
                f"  langchain gives {len(found)} chunks, we {len(wanted)}: it adds up the tokens of the pieces"
            )
            sides["langchain"] = lambda: theirs.split_text(text)
            marks += [("chunks", "langchain", 30.0), ("pure, tiktoken", "langchain", 0.8)]
        if has("semchunk"):
            chunker = import_module("semchunk").chunkerify(length, 512, memoize=False)
            sides["semchunk"] = lambda: chunker(text)
            marks.append(("chunks", "semchunk", 30.0))
    return Row(f"F8: 512 tokens, {name}", "MB", 1, sides, marks)


# ---- F9, F10: growing JSON ----


def growing() -> Iterator[Row]:
    text = bench_json_deltas.OBJECTS
    parts = bench_json_deltas.cut(text)

    def deltas(backend: Backend, parts: list[str] = parts) -> Any:
        return backend.JSONDeltasEngine().iterate(iter(parts))

    for backend in (NATIVE, PURE):
        equal(json.loads(text), backend.json_folded(list(deltas(backend))))
    some = [
        text[:size] for size in range(4, len(text), len(text) // 40)
    ]  # a mean over 40 prefixes, evenly spread
    scale = len(parts) // len(some)
    sides: dict[str, Callable[[], Any]] = {
        "deltas": lambda: drain(deltas(NATIVE)),
    }
    sides["pure"] = lambda: drain(deltas(PURE))
    marks = []
    if has("jiter"):
        parse = import_module("jiter").from_json
        coded = [part.encode() for part in some]
        sides[f"jiter, x 1/{scale}"] = lambda: [
            parse(part, partial_mode="trailing-strings") for part in coded
        ]
        marks.append(("deltas", f"jiter, x 1/{scale}", 100.0 / scale))
    yield Row("F9: 85 KB of objects, deltas of 4 characters", "delta", len(parts), sides, marks)
    yield linear_row(parts)
    yield from snapshot_rows()


def linear_row(short: list[str]) -> Row:
    """A delta costs the same however long the document is."""
    long = bench_json_deltas.cut(bench_json_deltas.rows(10 * sum(map(len, short))))
    times = len(long) / len(short)
    sides: dict[str, Callable[[], Any]] = {}
    marks = []
    for name, backend in (("native", NATIVE), ("pure", PURE)):

        def run(parts: list[str], backend: Backend = backend) -> None:
            drain(backend.JSONDeltasEngine().iterate(iter(parts)))

        sides[f"{name}, 850 KB"] = lambda run=run: run(long)
        sides[f"{name}, 85 KB x 10"] = lambda run=run: [run(short) for _ in range(round(times))]
        marks.append((f"{name}, 850 KB", f"{name}, 85 KB x 10", 0.9))
    return Row("F9: deltas of 4 characters, a document ten times as long", "delta", len(long), sides, marks)


def snapshot_rows() -> Iterator[Row]:
    string = bench_json_deltas.STRING
    parts = bench_json_deltas.cut(string)

    def snapshots(backend: Backend) -> Any:
        return backend.JSONDeltasEngine(as_="snapshot").iterate(iter(parts))

    def again(parse: Callable[[bytes], Any]) -> Any:
        held = b""
        for part in parts:
            held += part.encode()
            result = parse(held)
        return result

    sides: dict[str, Callable[[], Any]] = {
        "snapshots": lambda: drain(snapshots(NATIVE)),
        "pure": lambda: drain(snapshots(PURE)),
    }
    marks = []
    if has("jiter"):
        parse = import_module("jiter").from_json
        equal(list(snapshots(NATIVE))[-1], list(snapshots(PURE))[-1], parse(string.encode()))
        sides["jiter"] = lambda: again(lambda held: parse(held, partial_mode="trailing-strings"))
        marks.append(("snapshots", "jiter", 0.7))
    if has("partial_json_parser"):
        loads = import_module("partial_json_parser").loads
        sides["partial-json-parser"] = lambda: again(lambda held: loads(held.decode()))
        marks += [("snapshots", "partial-json-parser", 50.0), ("pure", "partial-json-parser", 0.8)]
    yield Row("F9: a string of 4 KB, a snapshot for 4 characters", "delta", len(parts), sides, marks)
    text = bench_json_deltas.rows(1_000_000)

    def folded(backend: Backend) -> Any:
        return backend.json_folded(backend.JSONDeltasEngine().iterate(iter((text,))))

    decoder = plain_decoder()
    equal(folded(NATIVE), folded(PURE), json.loads(text), decoder(text))
    sides = {
        "folded": lambda: folded(NATIVE),
        "pure": lambda: folded(PURE),
        "json.loads": lambda: json.loads(text),
        "json in Python": lambda: decoder(text),
    }
    marks = [("folded", "json.loads", 0.25), ("pure", "json in Python", 0.8)]
    yield Row("F10: 1 MB at once, folded", "MB", 1, sides, marks)


def plain_decoder() -> Callable[[str], Any]:
    """``json.loads`` without its C."""
    from json import decoder, scanner

    made = json.JSONDecoder()
    made.parse_string = decoder.py_scanstring  # type: ignore[attr-defined]
    made.scan_once = scanner.py_make_scanner(made)  # type: ignore[attr-defined]
    return made.decode


# ---- F11: sections ----


def sections() -> Iterator[Row]:
    text = bench_sections.model_text()[:300_000]
    markers = {"think": (bench_sections.FIRST, bench_sections.LAST)}
    for size, mark in ((4, 1.0), (4096, 3.0)):
        parts = [text[at : at + size] for at in range(0, len(text), size)]

        def split(backend: Backend, parts: list[str] = parts) -> Any:
            return backend.SectionsEngine(markers).iterate(iter(parts))

        def stop(backend: Backend, parts: list[str] = parts) -> Any:
            return backend.StopEngine("<|end|>").iterate(iter(parts))

        def shown(items: Any) -> Any:
            return bench_sections.by_section((item.name == "think", item.text) for item in items)

        by_hand = bench_sections.by_section(bench_sections.sections_by_hand(parts))
        equal(shown(split(NATIVE)), shown(split(PURE)), by_hand)
        equal("".join(stop(NATIVE)), "".join(stop(PURE)), "".join(bench_sections.stop_by_hand(parts)))
        for name, mine, theirs in (
            ("Sections", split, bench_sections.sections_by_hand),
            ("Stop", stop, bench_sections.stop_by_hand),
        ):
            sides = {
                "items": lambda mine=mine: drain(mine(NATIVE)),
                "pure": lambda mine=mine: drain(mine(PURE)),
                "by hand": lambda theirs=theirs, parts=parts: drain(theirs(parts)),
            }
            marks = [("items", "by hand", mark), ("pure", "by hand", 0.8)]
            yield Row(f"F11: {name}, fragments of {size} characters", "fragment", len(parts), sides, marks)


# ---- F12: Arrow ----


def arrow() -> Iterator[Row]:
    if not has("pyarrow"):
        return
    pa = import_module("pyarrow")
    data = CORPUS.lines(100, 5_000_000).translate(bytes(range(128)) + b"?" * 128)
    for size in (65536, 1 << 20):
        parts = CORPUS.fragments(data, size)

        def batches(parts: list[bytes] = parts) -> Iterator[Any]:
            return (pa.array(batch) for batch in NATIVE.LinesEngine().batches(iter(parts)))

        def by_list(parts: list[bytes] = parts) -> Any:
            return pa.array(list(NATIVE.LinesEngine().iterate(iter(parts))))

        equal([item for array in batches() for item in array.to_pylist()], by_list().to_pylist())
        sides = {"batches": lambda batches=batches: drain(batches()), "list": by_list}
        marks = [("batches", "list", 10.0)]
        title = f"F12: lines of 100 B to pyarrow, fragments of {size >> 10} KiB"
        yield Row(title, "line", data.count(b"\n"), sides, marks)


ROWS: dict[str, Callable[[], Iterator[Row]]] = {
    "F1": events,
    "F3": frames,
    "F4": records,
    "F5": chunks,
    "F7": splits,
    "F9": growing,
    "F11": sections,
    "F12": arrow,
}


def timed(run: Callable[[], Any], repeats: int) -> float:
    start = process_time()
    for _ in range(repeats):
        run()
    return (process_time() - start) / repeats


def show(row: Row, rounds: int) -> None:
    repeats = {name: max(1, int(LEAST / timed(run, 1))) for name, run in row.sides.items()}
    times: dict[str, list[float]] = {name: [] for name in row.sides}
    for _ in range(rounds):
        gc.collect()
        for name, run in row.sides.items():
            run()
            times[name].append(timed(run, repeats[name]) / row.count)
    print(row.title)
    for name, taken in times.items():
        print(f"  {name:24} {median(taken) * 1e9:14.1f} ns a {row.unit}")
    for mine, theirs, wanted in row.marks:
        ratio = median(b / a for a, b in zip(times[mine], times[theirs], strict=True))
        print(
            f"  {mine} against {theirs}: {ratio:.2f} x, wanted {wanted:.2f}{'' if ratio >= wanted else '  MISSED'}"
        )
    sys.stdout.flush()


def main(rounds: int, names: list[str]) -> None:
    for name, rows in ROWS.items():
        if not names or name in names:
            for row in rows():
                show(row, rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7, sys.argv[2:])
