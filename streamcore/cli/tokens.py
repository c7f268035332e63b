"""``streamcore tokens``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import StreamcoreError
from . import corpus, pieces
from .failure import Failure, counted, in_short
from .formats import COMPRESSED, SUFFIXES, begin_npy, choose, end_npy
from .inputs import Input, open_input
from .job import explain, with_runs
from .outputs import Output, open_output
from .progress import Report

if TYPE_CHECKING:
    from ..bpe import BPE

FORMATS = ("text", "jsonl", "npy", "bin")
NO_TEXT = (
    *COMPRESSED,
    ".npy",
    ".bin",
    ".parquet",
    ".arrow",
)  # a plain text of such a name would be a mistake


class TokenReport(Report):
    """Ends with how many bytes of text one id stands for."""

    sums_up = True
    text_bytes = 0

    def summary(self) -> str:
        each = f", {self.text_bytes / self.items:.2f} bytes per id" if self.items else ""
        amounts = f"{counted(self.items, 'ids')}, {counted(self.text_bytes, 'bytes')}{each}"
        return f"{self.source.name}: {amounts}, {self.seconds():.2f} s"


@click.command("tokens")
@click.argument("paths", metavar="[FILE]...", nargs=-1)
@click.option("--vocab", default="gpt2", show_default=True, metavar="NAME|PATH", help="See below.")
@click.option("--pattern", metavar="REGEX", help="The pattern of a .tiktoken file that is not well known.")
@click.option("--special", is_flag=True, help="Special tokens in the text become one id; else they are text.")
@click.option("--count", is_flag=True, help="Write how many ids there are and nothing else.")
@click.option("--truncate", type=click.IntRange(0), metavar="N", help="Stop after N ids.")
@click.option(
    "--decode",
    is_flag=True,
    help="FILE holds ids (text, jsonl, npy or bin, by -f or its suffix); write their text.",
)
@click.option("-o", "--output", metavar="OUT", help="Write to OUT, which appears when it is complete.")
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(with_runs(FORMATS)),
    help="Default: by the suffix of OUT, of runs parquet.",
)
@click.option("--progress/--no-progress", default=None, help="Default: where it does not disturb the data.")
@corpus.options
def command(
    paths: tuple[str, ...],
    vocab: str,
    pattern: str | None,
    special: bool,
    count: bool,
    truncate: int | None,
    decode: bool,
    output: str | None,
    format_: str | None,
    progress: bool | None,
    many: dict[str, Any],
) -> int:
    """Turn the text in FILE, or the documents of many files, into the ids of a BPE vocabulary, or with --decode back.

    --vocab is gpt2 (part of this package), the name of an encoding of tiktoken (if that is installed), or the path
    of a .tiktoken file or of a tokenizer.json.

    Without FILE, an embedded text: on a terminal its tokens in colours over their ids (NO_COLOR=1: the ids alone).

    text writes one id per line; jsonl one object per line, with the id and where in the input its bytes start and end;
    npy a uint32 array; bin the ids as little-endian 32-bit integers.
    """
    if corpus.wanted(paths, output, many):
        check_options(vocab, pattern, special, count, decode, None)
        if decode or count or truncate is not None:
            raise click.UsageError("--decode, --count and --truncate are for one file")
        encoder = load(vocab, pattern).encoder(errors="strict", **special_options(special))
        return corpus.run(encoder, paths, output, format_, many, progress)
    file = corpus.only(paths)
    format_ = corpus.single_format(format_, FORMATS)
    check_options(vocab, pattern, special, count, decode, format_)
    if decode:
        form = format_ or SUFFIXES.get(Path(file or "").suffix.lower(), "text")
    else:
        form = choose(format_, None if count else output, FORMATS)
    if (decode or count) and Path(output or "").suffix.lower() in NO_TEXT:
        raise Failure(
            f"{output}: {'how many ids there are' if count else 'what is decoded'} is written as plain text"
        )
    if form == "npy" and not decode and not count and (output in (None, "-") or is_device(output)):
        raise click.UsageError("npy needs a file: -o OUT.npy")
    if decode and file is None:
        raise click.UsageError("--decode needs a FILE of ids, or - for standard input")
    bpe = load(vocab, pattern)
    with closing(open_input(file)) as source, open_output(output, source) as out:
        report = TokenReport(source, "ids", progress, out.on_terminal())
        try:
            if decode:
                ids = first(truncate, numbers(source, form))
                write_text(bpe, ids, out, report, count)
            else:
                engine = bpe.encoder(errors="strict", **special_options(special)).engine()
                arrays = closing(engine.iterate(source.fragments()))
                with arrays as run:
                    if file is None and format_ is None and not count and pieces.wanted(out):
                        pieces.write(bpe, first(truncate, run), out, report)
                    else:
                        write_ids(bpe, run, truncate, out, report, "count" if count else form)
        except (StreamcoreError, ValueError) as error:
            raise Failure(explain(source, error)) from error
        finally:
            report.close()
    return 0


def check_options(
    vocab: str, pattern: str | None, special: bool, count: bool, decode: bool, format_: str | None
) -> None:
    """Refuse what cannot be meant together."""
    if decode and special:
        raise click.UsageError("--special is about text, --decode about ids")
    if count and not decode and format_ is not None:
        raise click.UsageError("--count writes a number, -f says how ids are written")
    if pattern is not None and (vocab.endswith(".json") or not os.path.exists(vocab)):
        raise click.UsageError(f"--pattern is for a .tiktoken file, and --vocab is {vocab}")


def special_options(special: bool) -> dict[str, Any]:
    return {"allowed_special": "all"} if special else {"disallowed_special": ()}


def is_device(path: str | None) -> bool:
    return path is not None and os.path.exists(path) and not os.path.isfile(path)


def load(vocab: str, pattern: str | None) -> BPE:
    """The tokenizer that ``--vocab`` names."""
    from ..bpe import BPE

    try:
        if vocab.endswith(".json"):
            return BPE.from_tokenizer_json(vocab)
        return BPE.from_tiktoken(vocab, pattern=pattern)
    except OSError as error:
        if error.strerror is None:  # tiktoken fetches what it has not at hand
            raise Failure(
                f"{vocab}: could not be downloaded; without a network pass --vocab gpt2, or the path of"
                " a .tiktoken file or a tokenizer.json"
            ) from error
        raise Failure(f"{vocab}: cannot be opened: {error.strerror}") from error
    except ValueError as error:
        raise Failure(str(error).partition("\n")[0][:1000].replace("pattern=", "--pattern")) from error


def first(most: int | None, arrays: Iterable[Any]) -> Iterator[Any]:
    """The arrays up to ``most`` ids; nothing more is pulled after these."""
    left = most
    if left == 0:
        return
    for ids in arrays:
        if left is None:
            yield ids
            continue
        yield ids[:left]
        left -= len(ids)
        if left <= 0:
            return


def write_ids(
    bpe: BPE, arrays: Iterator[Any], most: int | None, out: Output, report: TokenReport, form: str
) -> None:
    total = at = 0
    if form == "npy":
        begin_npy(out)
    for ids in first(most, arrays):
        total += len(ids)
        # the encoder reads ahead of the ids that it gives; when it has come to the end, all are given
        report.text_bytes = (
            report.source.given if most is None else report.text_bytes + len(bpe.decode_bytes(ids))
        )
        if form == "text":
            out.write(("\n".join(map(str, ids.tolist())) + "\n").encode())
        elif form == "jsonl":
            lines = []
            for number in ids.tolist():
                end = at + len(bpe.decode_bytes((number,)))
                lines.append(f'{{"id": {number}, "start": {at}, "end": {end}}}\n')
                at = end
            out.write("".join(lines).encode())
        elif form != "count":
            out.write(ids.astype("<u4", copy=False).data)
        report.add(len(ids))
    if form == "count":
        out.write(b"%d\n" % total)
    elif form == "npy":
        end_npy(out, "<u4", total)


def write_text(bpe: BPE, ids: Iterator[Any], out: Output, report: TokenReport, count: bool) -> None:
    engine = bpe.decoder().engine()
    total = 0

    def put(pieces: Iterable[str]) -> None:
        for text in pieces:
            data = text.encode()
            report.text_bytes += len(data)
            if not count:
                out.write(data)

    for some in ids:
        total += len(some)
        report.add(len(some))
        put(engine.feed(some))
    put(engine.finish())
    if engine.error is not None:
        raise engine.error
    if count:
        out.write(b"%d\n" % total)


def numbers(source: Input, form: str) -> Iterator[Any]:
    """The ids that an input holds, as they come."""
    if form == "bin":
        from array import array

        from ..stages.chunks import FixedSize

        for word in words_of_four(FixedSize(1 << 16).engine().iterate(source.fragments())):
            yield array("I", word)
        return
    if form == "npy":
        yield from npy_numbers(source)
        return
    from ..stages.lines import Lines

    for number, line in enumerate(Lines().stream(source.fragments()), 1):
        try:
            if form == "jsonl":
                value = json.loads(line) if line.strip() else []
                if isinstance(value, dict):
                    if "id" not in value:
                        raise ValueError('an object needs the key "id"')
                    value = value["id"]
                ids = value if isinstance(value, list) else [value]
            else:
                ids = list(map(number_of, line.split()))
            if not all(type(each) is int for each in ids):
                raise ValueError("an id must be an integer")
        except (ValueError, RecursionError) as error:
            raise Failure(f"{source.name}, line {number}: no ids: {in_short(error)}") from error
        if ids:
            yield ids


def number_of(word: bytes) -> int:
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{word.decode(errors='replace')!r} is no number") from None


def words_of_four(blocks: Iterable[Any]) -> Iterator[bytes]:
    """Blocks of 32-bit integers; the input must not end inside one."""
    import sys

    for block in blocks:
        data = bytes(block)
        if left := len(data) % 4:
            are = "is" if left == 1 else "are"
            raise ValueError(f"the input ends inside an id: {counted(left, 'bytes')} {are} left over")
        if sys.byteorder == "big":
            from array import array

            values = array("I", data)
            values.byteswap()
            data = values.tobytes()
        yield data


def npy_numbers(source: Input) -> Iterator[Any]:
    """The ids of a npy file, as they come: arrays."""
    import io
    import warnings

    import numpy as np

    from ..stages.chunks import FixedSize

    blocks = map(bytes, FixedSize(1 << 16).engine().iterate(source.fragments()))
    begin = io.BytesIO(next(blocks, b""))  # a header of one array is much shorter
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            shape, dtype = npy_header(begin)
    except Exception as error:  # whatever the parser of Python ends with on an expression that is none
        raise Failure(f"{source.name}: no npy file: {in_short(error)}") from error
    if dtype.kind not in "iu" or len(shape) != 1 or shape[0] < 0:
        what = f"an array of {dtype} of shape {shape}"
        raise Failure(f"{source.name}: a row of integers is due, got {what[:200]}")
    left, rest = shape[0] * dtype.itemsize, b""
    for block in chain((begin.read(),), blocks):
        data = (rest + block)[:left]
        whole = len(data) - len(data) % dtype.itemsize
        rest = data[whole:]
        left -= whole
        if whole:
            yield np.frombuffer(data[:whole], dtype)
    if left:
        missing, ids = -(-left // dtype.itemsize), counted(shape[0], "ids")
        raise ValueError(f"the input ends before its last {missing} of {ids}")


def npy_header(file: Any) -> tuple[tuple[int, ...], Any]:
    """Shape and type of the values, by numpy's own reader, which takes no header of more than 10,000 bytes."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} is not for integers")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype
