"""JSON Lines to files of ids, ours and others: ``python benchmarks/scale.py [MB] [ROUNDS] [trained] [SIDE ...]``.

Each side is a process of its own, from its start to the last byte written, in turn with the others; every side's ids
are compared by count and sum. The text is words of the text of benchmarks/bpe_corpora.py put together at random, so
that nothing repeats but words. The vocabulary is that of GPT-2; with ``trained`` one of 30,000 tokens, which
``tokenizers`` makes of this text beforehand, read from its ``tokenizer.json``, without the sides that cannot read it.
Output goes to /dev/shm where there is one. Printed are medians of the wall time, of the CPU time of the process and all
that it started (divided by the wall time: how many cores were busy), and the most memory that one of them had. For
Linux. Peers that are not installed are named and left out. The figures stand in docs/scale.md.
"""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

MB = 1_000_000
PART = 16 << 20
TEXT = "text"


def write_corpus(path: Path, size: int, seed: int = 1) -> None:
    import bpe_corpora

    source = random.Random(seed)
    words = [bpe_corpora.text(kind).split(" ") for kind in ("english", "english", "english", "code", "multi")]
    with open(path, "wb") as file:
        while file.tell() < size:
            known = source.choice(words)
            text = " ".join(source.choices(known, k=min(int(source.lognormvariate(5.5, 1.0)) + 1, 20_000)))
            file.write(json.dumps({TEXT: text}, ensure_ascii=False).encode() + b"\n")


# The sides. Each gives the number of ids, and their sum.


def ours(source: str, out: str, jobs: int, form: str) -> tuple[int, int]:
    from streamcore.scale import plan, run

    made = plan(source, split="jsonl", key=TEXT, target=PART)
    encoder = bpe_of(source).encoder(disallowed_special=())
    result = run(encoder, made, out=out, format=form, jobs=jobs, progress=False)
    return result.items, sum_of_bin(out) if form == "bin" else sum_of_lists(out, form)


def bpe_of(source: str) -> Any:
    from streamcore import BPE

    trained = Path(source).with_suffix(".trained")
    return BPE.from_tokenizer_json(trained) if trained.exists() else BPE.gpt2()


def sum_of_bin(out: str) -> int:
    return sum_of(Path(out).glob("*.bin"))


def sum_of(paths: Iterable[Path]) -> int:
    import numpy as np

    return sum(int(np.fromfile(path, "<u2").sum(dtype="u8")) for path in paths)


def sum_of_lists(out: str, form: str) -> int:
    import pyarrow.compute as pc
    from pyarrow import ipc, parquet

    total = 0
    for path in sorted(Path(out).glob(f"part-*.{form}")):
        table = parquet.read_table(path) if form == "parquet" else ipc.open_file(path).read_all()
        total += sum(pc.sum(chunk.flatten()).as_py() or 0 for chunk in table["ids"].chunks)
    return total


def pool(source: str, out: str, jobs: int, encoder: str) -> tuple[int, int]:
    """What one writes by hand: a process pool over ranges of the file."""
    os.makedirs(out)
    size = os.path.getsize(source)
    tasks = [(source, out, start, min(start + PART, size)) for start in range(0, size, PART)]
    with multiprocessing.get_context("forkserver").Pool(jobs, begin, (encoder, source)) as workers:
        count = sum(workers.imap_unordered(encode_range, tasks))
    return count, sum_of_bin(out)


def datatrove_tokens(source: str, out: str, jobs: int) -> tuple[int, int]:
    """``DocumentTokenizer`` without shuffling. A task of it is whole files, so the corpus lies in ``jobs`` files."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    LocalPipelineExecutor(
        [
            JsonlReader(str(Path(source).with_suffix(".files")), text_key=TEXT),
            DocumentTokenizer(out, tokenizer_of(source), save_final_metadata=False, shuffle_documents=False),
        ],
        tasks=jobs,
        workers=jobs,
        logging_dir=f"{out}-logs",
    ).run()
    shutil.rmtree(f"{out}-logs")
    return sum(path.stat().st_size for path in Path(out).glob("*.ds")) // 2, sum_of(Path(out).glob("*.ds"))


def gigatoken_files(source: str, out: str, jobs: int) -> tuple[int, int]:
    """All ids at once in memory, on ``jobs`` threads, then written in the narrow dtype."""
    os.environ["RAYON_NUM_THREADS"] = str(jobs)
    import gigatoken
    import numpy as np

    lists = gigatoken_of(Path(source)).encode_files(gigatoken.JsonlFileSource([source], field=TEXT))
    ids = lists.layout.content.data
    os.makedirs(out)
    with open(f"{out}/all.bin", "wb") as file:
        for at in range(0, len(ids), 1 << 22):
            file.write(np.asarray(ids[at : at + (1 << 22)], "<u2"))
    return len(ids), sum_of_bin(out)


def gigatoken_of(source: Path) -> Any:
    from gigatoken import Tokenizer

    return Tokenizer.from_tiktoken(source.with_suffix(".tiktoken"), pretokenizer="gpt2")


def begin(encoder: str, source: str) -> None:
    global encode
    if encoder == "gigatoken":
        gigatoken = gigatoken_of(Path(source))
        encode = lambda texts: [gigatoken.encode_batch(texts, parallel=False).layout.content.data]  # noqa: E731
        return
    bpe = bpe_of(source)
    if encoder == "tiktoken":
        from tiktoken import Encoding

        # by name it would ask the network
        found = Encoding(
            "gpt2", pat_str=bpe.pattern, mergeable_ranks=bpe.ranks, special_tokens=bpe.special_tokens
        )
        encode = lambda texts: found.encode_batch(texts, num_threads=1, disallowed_special=())  # noqa: E731
    else:
        encode = lambda texts: [bpe.encode_batch(texts, disallowed_special=()).ids]  # noqa: E731


def encode_range(task: tuple[str, str, int, int]) -> int:
    import numpy as np

    source, out, start, end = task
    count = 0
    with open(source, "rb") as file, open(f"{out}/{start:012}.bin", "wb") as ids:
        if start:
            file.seek(start - 1)
            file.readline()
        texts: list[str] = []
        size = 0
        while file.tell() < end and (line := file.readline()):
            texts.append(json.loads(line)[TEXT])
            size += len(line)
            if size >= 1 << 20:
                count += write_ids(np, texts, ids)
                texts, size = [], 0
        return count + write_ids(np, texts, ids)


def write_ids(np: Any, texts: list[str], file: Any) -> int:
    count = 0
    for each in encode(texts) if texts else ():
        file.write(np.asarray(each, "<u2").tobytes())
        count += len(each)
    return count


def datasets_map(source: str, out: str, jobs: int) -> tuple[int, int]:
    """``datasets.map`` with ``tokenizers``, as its documentation has it, batches of 1,000."""
    import datasets

    datasets.disable_progress_bars()
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_of(source))

    def tokens(batch: dict[str, list[str]]) -> dict[str, Any]:
        return {"ids": [each.ids for each in tokenizer.encode_batch(batch[TEXT], add_special_tokens=False)]}

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    made = datasets.load_dataset("json", data_files=source, split="train", cache_dir=f"{out}-cache")
    made = made.map(tokens, batched=True, num_proc=jobs, remove_columns=made.column_names)
    os.makedirs(out)
    made.to_parquet(f"{out}/part-0.parquet")
    shutil.rmtree(f"{out}-cache")
    table_sum = sum_of_lists(out, "parquet")
    return sum(len(each) for each in made.with_format("arrow").data.column("ids")), table_sum


def tokenizer_of(source: str) -> str:
    trained = Path(source).with_suffix(".trained")
    return str(trained if trained.exists() else Path(source).with_suffix(".tokenizer"))


def write_halves(source: Path) -> None:
    """The corpus in two files of whole lines."""
    folder = source.with_suffix(".files")
    folder.mkdir()
    with open(source, "rb") as file:
        first = file.read(source.stat().st_size // 2) + file.readline()
        (folder / "0.jsonl").write_bytes(first)
        (folder / "1.jsonl").write_bytes(file.read())


def write_ranks(path: Path) -> None:
    from streamcore import BPE

    ordered = sorted(BPE.gpt2().ranks.items(), key=lambda item: item[1])
    path.write_text("".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ordered))


def write_tokenizer(path: Path) -> None:
    """GPT-2 for ``tokenizers``: the merges follow from the ranks. Not timed."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    from streamcore import BPE

    ranks = BPE.gpt2().ranks
    letters = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {byte: chr(byte) for byte in letters}
    rest = (byte for byte in range(256) if byte not in names)
    names |= {byte: chr(256 + number) for number, byte in enumerate(rest)}
    text = {token: "".join(names[byte] for byte in token) for token in ranks}
    merges = [
        (text[left], text[right])
        for left, right in (
            parts_of(token, ranks) for token in sorted(ranks, key=ranks.__getitem__) if len(token) > 1
        )
    ]
    tokenizer = Tokenizer(models.BPE({text[token]: rank for token, rank in ranks.items()}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(path))


def train(source: Path) -> None:
    from itertools import islice

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=30_000, initial_alphabet=alphabet, show_progress=False)
    with open(source, encoding="utf-8") as file:
        tokenizer.train_from_iterator((json.loads(line)[TEXT] for line in islice(file, 5_000)), trainer)
    tokenizer.save(str(source.with_suffix(".trained")))


def parts_of(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens that are merged to it: what the merges before it make of its bytes."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        best = min(range(len(parts) - 1), key=lambda at: ranks.get(parts[at] + parts[at + 1], 1 << 30))
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts[0], parts[1]


READ_RANKS: Final = ("tiktoken", "gigatoken")
"""Sides with one of these in their names have no ``tokenizer.json``."""
SIDES: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "run, bin, 1 worker": (ours, (1, "bin"), ""),
    "run, bin, 2 workers": (ours, (2, "bin"), ""),
    "run, parquet, 2 workers": (ours, (2, "parquet"), "pyarrow"),
    "run, arrow, 2 workers": (ours, (2, "arrow"), "pyarrow"),
    "pool by hand, our BPE, 2 workers": (pool, (2, "ours"), ""),
    "pool by hand, tiktoken, 2 workers": (pool, (2, "tiktoken"), "tiktoken"),
    "pool by hand, gigatoken, 2 workers": (pool, (2, "gigatoken"), "gigatoken"),
    "gigatoken encode_files, 2 threads, then written": (gigatoken_files, (2,), "gigatoken"),
    "datatrove DocumentTokenizer, 2 workers": (datatrove_tokens, (2,), "datatrove"),
    "datasets.map and tokenizers, parquet, 2 workers": (datasets_map, (2,), "datasets"),
}


def one(side: str, source: str, out: str) -> None:
    """In a process of its own; what came out goes to standard output."""
    function, options, _ = SIDES[side]
    count, total = function(source, out, *options)
    print(json.dumps({"count": count, "sum": total}))


def measured(side: str, source: Path, folder: Path) -> dict[str, Any]:
    out = folder / "out"
    command = [sys.executable, __file__, "--side", side, str(source), str(out)]
    with open(folder / "said", "w+", encoding="utf-8") as said:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.DEVNULL, env=environment())
        ended = [os.wait4(process.pid, 0)]
        wall = time.perf_counter() - started
        process.returncode = ended[0][1]
        ended += orphans()
        said.seek(0)
        text = said.read()
    shutil.rmtree(out, ignore_errors=True)
    if process.returncode:
        raise SystemExit(f"{side} failed, see: {' '.join(command)}")
    usages = [usage for _, _, usage in ended]
    return {
        **json.loads(text.splitlines()[-1]),
        "wall": wall,
        "cpu": sum(each.ru_utime + each.ru_stime for each in usages),
        "peak": max(each.ru_maxrss for each in usages) * 1024,
    }


def environment() -> dict[str, str]:
    """All modules are compiled once, in the first round, as an installation has them."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def orphans() -> Iterator[Any]:
    """The processes that a side left to us: a fork server and what it started are nobody else's children."""
    while True:
        try:
            yield os.wait4(-1, 0)
        except ChildProcessError:
            return


def adopt_orphans() -> None:
    """Linux: the children of children that end become ours (PR_SET_CHILD_SUBREAPER)."""
    import ctypes

    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def prepare(source: Path, size: int, trained: bool) -> None:
    """In a process of its own: a child begins with the peak of its parent."""
    write_corpus(source, size)
    write_halves(source)
    write_ranks(source.with_suffix(".tiktoken"))
    if find_spec("tokenizers"):
        write_tokenizer(source.with_suffix(".tokenizer"))
    if trained:
        train(source)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--side"]:
        one(*arguments[1:])
        return
    if arguments[:1] == ["--prepare"]:
        prepare(Path(arguments[1]), int(arguments[2]), "trained" in arguments[3:])
        return
    adopt_orphans()
    numbers = [int(each) for each in arguments if each.isdecimal()]
    size, rounds = (numbers + [200, 3][len(numbers) :])[:2]
    trained = ["trained"] if "trained" in arguments else []
    wanted = [each for each in arguments if not each.isdecimal() and each != "trained"] or [
        side for side in SIDES if not (trained and any(name in side for name in READ_RANKS))
    ]
    sides = [side for side in wanted if not SIDES[side][2] or find_spec(SIDES[side][2])]
    for side in wanted:
        if side not in sides:
            print(f"{side}: left out, {SIDES[side][2]} is not installed")
    shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        source = Path(folder, "corpus.jsonl")
        subprocess.run(
            [sys.executable, __file__, "--prepare", str(source), str(size * MB), *trained], check=True
        )
        found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for _ in range(rounds):
            for side in sides:
                found[side].append(measured(side, source, Path(folder)))
        results = {(each["count"], each["sum"]) for runs in found.values() for each in runs}
        if len(results) > 1:
            raise SystemExit(f"the sides differ: {results}")
        count = found[sides[0]][0]["count"]
        name = "30,000 tokens" if trained else "GPT-2"
        print(
            f"{size} MB, {count / 1e6:.1f} M ids of {name}, medians of {rounds}; load {os.getloadavg()[0]:.1f}"
        )
        for side, runs in found.items():
            wall, cpu = (median(each[name] for each in runs) for name in ("wall", "cpu"))
            peak = max(each["peak"] for each in runs) / MB
            print(f"{side:50} {wall:6.2f} s  {cpu:6.2f} s CPU ({cpu / wall:.1f} cores)  {peak:6.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
