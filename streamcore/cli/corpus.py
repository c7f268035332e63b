"""A verb over many files, into a directory: ``streamcore.scale.run`` with the options of the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .failure import Failure, printable
from .given import in_options
from .plan import separator_bytes

if TYPE_CHECKING:
    from ..scale import Plan, Result

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

FORMATS = ("parquet", "arrow", "jsonl", "bin", "megatron")
RESUME: dict[str, bool | str] = {"yes": True, "no": False, "verify": "verify", "force": "force"}
INCOMPLETE = 3
JSON_LINES = (".jsonl", ".ndjson")
MAGIC = frozenset("*?[")
DEFAULTS = {"engine": "local", "target": "64MiB", "max_failed": 0, "resume": "yes"}
KEY = "text"
CONFIGURED = "give it by the configuration of fsspec"


def shard_pair(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """I/N"""
    if value is None:
        return None
    number, slash, count = value.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise click.BadParameter(f"{value!r}; wanted is I/N with I from 0 to N - 1, such as 0/16")
    return int(number), int(count)


def options(function: Decorated) -> Decorated:
    """The options that make a run of a verb; the verb gets them as ``many``."""

    def command(**given: Any) -> int:
        many = {name: given.pop(name) for name in NAMES}
        code: int = function(many=many, **given)
        return code

    made: Any = command
    made.__doc__, made.__name__ = function.__doc__, function.__name__
    made.__click_params__ = list(getattr(function, "__click_params__", ()))
    for option in reversed(OPTIONS):
        made = option(made)
    decorated: Decorated = made
    return decorated


OPTIONS = [
    click.option(
        "-j", "--jobs", type=click.IntRange(1), metavar="N", help="Worker processes. Default: one a core."
    ),
    click.option(
        "--engine", type=click.Choice(["local", "dask", "ray"]), help="What runs the parts. Default: local."
    ),
    click.option("--address", metavar="URL", help="Of a Dask scheduler or a Ray cluster that is there."),
    click.option(
        "--shard",
        callback=shard_pair,
        metavar="I/N",
        help="Do every N-th part from the I-th (from 0) on: one task of a job array.",
    ),
    click.option(
        "--split",
        type=click.Choice(["lines", "jsonl", "fixed", "files"]),
        help="What a document is. Default: jsonl where all names say so, else lines.",
    ),
    click.option(
        "--separator",
        callback=separator_bytes,
        metavar="TEXT",
        help="What ends a document, instead of --split.",
    ),
    click.option("--key", metavar="KEY", help="Where the text is in a line of jsonl. Default: text."),
    click.option("--target", metavar="SIZE", help="Size of a part. Default: 64MiB."),
    click.option(
        "--join",
        metavar="SIZE",
        help="Join the files of parts at the end, to files of at most so many bytes.",
    ),
    click.option("--eod", type=click.IntRange(0), metavar="ID", help="An id behind each document."),
    click.option(
        "--max-failed", type=click.IntRange(0), metavar="N", help="How many parts may fail. Default: none."
    ),
    click.option(
        "--resume",
        type=click.Choice(list(RESUME)),
        help="What becomes of the parts that are done. Default: yes, they are kept.",
    ),
    click.option("--state", metavar="DIR", help="Local folder for the manifest, where -o is a URL."),
]
NAMES = (
    "jobs",
    "engine",
    "address",
    "shard",
    "split",
    "separator",
    "key",
    "target",
    "join",
    "eod",
    "max_failed",
    "resume",
    "state",
)


def wanted(paths: tuple[str, ...], output: str | None, many: dict[str, Any]) -> bool:
    """Whether it is a run: several files, an option of runs, or one file, glob or URL and a directory to write to."""
    if len(paths) > 1 or any(value is not None for value in many.values()):
        return True
    if not paths or output is None:
        return False
    if "://" in output or output.endswith(("/", os.sep)):
        return True
    return os.path.isdir(output) or is_pattern(paths[0])


def is_pattern(path: str) -> bool:
    """A glob that the shell left, or a URL."""
    return "://" in path or (not MAGIC.isdisjoint(path) and not os.path.lexists(path))


def only(paths: tuple[str, ...]) -> str | None:
    """The one file of a verb that is no run."""
    return paths[0] if paths else None


def single_format(format_: str | None, offered: tuple[str, ...]) -> str | None:
    """``-f`` of a verb that is no run."""
    if format_ is not None and format_ not in offered:
        raise click.UsageError(f"{format_} is for many files, written to a directory: -o DIR -j N")
    return format_


def run(
    pipeline: Any,
    paths: tuple[str, ...],
    output: str | None,
    format_: str | None,
    many: dict[str, Any],
    progress: bool | None,
    split: str | None = None,
) -> int:
    """Make the plan, run it, and say in one line how it ended."""
    from ..scale import IncompleteRun, Locked, OtherJob

    if not paths:
        raise click.UsageError("a run needs PATHS")
    if output is None or output == "-":
        raise click.UsageError("a run writes to a directory: -o DIR")
    if os.path.exists(output) and not os.path.isdir(output):
        raise click.UsageError(f"{output} is a file; a run writes to a directory: -o DIR")
    if "-" in paths:
        raise click.UsageError("standard input cannot be read in parts")
    if format_ is not None and format_ not in FORMATS:
        raise click.UsageError(f"{format_} is for one file; a run writes {', '.join(FORMATS)}")
    ids = hasattr(pipeline, "bpe")
    check_options(many, output, format_, ids)
    many = {name: DEFAULTS.get(name) if value is None else value for name, value in many.items()}
    try:
        made = plan_of(paths, many, split)
        result = run_plan(pipeline, made, output, format_, many, progress)
    except IncompleteRun as error:
        click.echo(f"streamcore: {printable(str(error))}; run the same command again to go on", err=True)
        return INCOMPLETE
    except (Locked, OtherJob) as error:
        raise Failure(
            str(error).replace("resume=False", "--resume no").replace("resume='force'", "--resume force")
        ) from error
    except (OSError, ValueError, TypeError, ImportError) as error:
        said = (
            str(error).replace("state='folder'", "--state DIR").replace("pass it by out_options", CONFIGURED)
        )
        raise Failure(in_options(said.replace("pass what it says by out_options", CONFIGURED))) from error
    return 0 if not result.failed else 1


def check_options(many: dict[str, Any], output: str, format_: str | None, ids: bool) -> None:
    """Refuse what cannot be meant together."""
    if many["address"] is not None and many["engine"] in (None, "local"):
        raise click.UsageError("--address is for --engine dask and --engine ray")
    if many["state"] is not None and "://" not in output:
        raise click.UsageError(f"--state is for -o with a URL, and {output} is a folder")
    if many["separator"] is not None and many["split"] is not None:
        raise click.UsageError("--split and --separator say the same: what ends a document")
    if format_ in ("bin", "megatron") and not ids:
        raise click.UsageError(f"-f {format_} holds ids: it is for tokens")
    if many["eod"] is not None and not ids:
        raise click.UsageError("--eod is an id: it is for tokens")
    if many["eod"] is not None and format_ == "jsonl":
        raise click.UsageError("-f jsonl has a line for each document: --eod is for the other formats")


def plan_of(paths: tuple[str, ...], many: dict[str, Any], split: str | None) -> Plan:
    from ..scale import plan

    found = many["separator"] or many["split"] or split
    if found is None:
        named = all(
            path.lower().removesuffix(".gz").removesuffix(".zst").endswith(JSON_LINES) for path in paths
        )
        found = "jsonl" if named else "lines"
    if many["key"] is None:
        many["key"] = KEY
    elif found != "jsonl":
        raise click.UsageError("--key is for --split jsonl")
    return plan(paths, split=found, key=many["key"], target=many["target"])


def run_plan(
    pipeline: Any,
    made: Plan,
    output: str,
    format_: str | None,
    many: dict[str, Any],
    progress: bool | None,
) -> Result:
    from .. import scale

    return scale.run(
        pipeline,
        made,
        out=output,
        state=many["state"],
        format=format_ or "parquet",
        engine=many["engine"],
        address=many["address"],
        jobs=many["jobs"],
        shard=many["shard"],
        eod=many["eod"],
        join=many["join"],
        max_failed=many["max_failed"],
        resume=RESUME[many["resume"]],
        progress=progress is not False,
    )
