"""``streamcore jsonl``."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import click

from .._backend import InvalidRecord
from .._shared.records import loads_utf8
from . import corpus, formats, job
from .failure import ClosedPipe, counted, in_short
from .inputs import open_input
from .outputs import Output, open_output
from .progress import Report

SHOWN = 10  # bad records that are told one by one


class Records:
    """Makes a line of the output of each record; ValueError for one that is bad."""

    def __init__(self, field: str | None, form: str) -> None:
        self.field, self.form = field, form

    def __call__(self, line: bytes) -> bytes:
        record = loads_utf8(line)
        if self.field is None:
            # line ends can be in a text of a sequence, though in no string of it: they are white space
            return line.strip(b" \t\r\n").replace(b"\r", b" ").replace(b"\n", b" ")
        if not isinstance(record, dict):
            raise ValueError(f"not an object but {type(record).__name__}")
        if self.field not in record:
            raise ValueError(f"no field {self.field!r}")
        text = record[self.field]
        if not isinstance(text, str):
            raise ValueError(f"field {self.field!r} is no text but {type(text).__name__}")
        return (json.dumps(text, ensure_ascii=False) if self.form == "jsonl" else text).encode()


@click.command("jsonl")
@job.shared_options("text", "jsonl", oversize=("raise", "skip"), many=True)
@click.option("--field", metavar="NAME", help="Write the text of this field of each record, an object.")
@click.option("--sequence", is_flag=True, help="FILE is a JSON text sequence (RFC 7464).")
@click.option(
    "--on-error",
    type=click.Choice(["skip", "raise"]),
    default="skip",
    show_default=True,
    help="What happens to a bad record.",
)
def command(
    paths: tuple[str, ...],
    output: str | None,
    format_: str | None,
    field: str | None,
    on_error: str,
    progress: bool | None,
    many: dict[str, Any],
    **options: Any,
) -> int:
    """Cut FILE, JSON Lines, into records, and write the good ones as they are, one per line.

    With --field text writes the text of that field, ended by LF, for words and tokens to read; jsonl writes it as a
    JSON string. A record that is bad, or has no such text, is left out: the first ones are told with their places, all
    are counted, and the exit code is 1.
    """
    from ..stages.records import JSONLines

    if corpus.wanted(paths, output, many):
        return run_many(paths, output, format_, field, progress, many, options)
    file = corpus.only(paths)
    if file is None:
        raise click.UsageError("jsonl needs a FILE, or - for standard input")
    offered = ("text", "jsonl")
    form = formats.choose(corpus.single_format(format_, offered), output, offered)
    made: Any = Records(field, form)
    stage: Any = JSONLines(made, on_error="raise" if on_error == "raise" else "yield", **options)
    bad = Bad("text" if options["sequence"] else "line")
    with closing(open_input(file)) as source, open_output(output, source) as out:
        report = Report(source, "records", progress, out.on_terminal())
        engine = stage.engine()
        try:
            for items in job.pieces(engine, source):
                write(items, out, bad)
                report.add(len(items))
        except ClosedPipe:
            bad = Bad(bad.unit)  # whoever reads has seen enough
            raise
        finally:
            report.close()
            bad.tell(source.name)
    return job.skipped(source, engine.skipped, "records") or int(bad.count > 0)


def run_many(
    paths: tuple[str, ...],
    output: str | None,
    format_: str | None,
    field: str | None,
    progress: bool | None,
    many: dict[str, Any],
    options: dict[str, Any],
) -> int:
    """The texts of a field of many files; a bad record fails its part."""
    from ..runnables.passthrough import RunnablePassthrough

    if options["sequence"]:
        raise click.UsageError("--sequence is for one file")
    if field is not None and many["key"] not in (None, field):
        raise click.UsageError("--field and --key say the same: where the text is")
    return corpus.run(
        RunnablePassthrough(),
        paths,
        output,
        format_,
        {**many, "key": many["key"] or field},
        progress,
        "jsonl",
    )


def write(items: list[Any], out: Output, bad: Bad) -> None:
    lines: list[bytes] = []
    for item in items:
        if isinstance(item, InvalidRecord):
            bad.add(item)
        else:
            lines += (item, b"\n")
    out.write(b"".join(lines))


class Bad:
    """Counts bad records, and keeps of the first ones what to say."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.count = 0
        self.first: list[str] = []

    def add(self, record: InvalidRecord) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self.first.append(f"{self.unit} {record.line}, at byte {record.offset}: {in_short(record.error)}")

    def tell(self, name: str) -> None:
        for each in self.first:
            click.echo(f"streamcore: {name}: {each}", err=True)
        if self.count:
            more = f", the first {SHOWN} of them above" if self.count > SHOWN else ""
            click.echo(f"streamcore: {name}: {counted(self.count, 'bad records')}, skipped{more}", err=True)
