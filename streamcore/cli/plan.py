"""``streamcore plan``."""

from __future__ import annotations

import re

import click

from .failure import Failure
from .given import in_options, is_given

ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0", "\\": b"\\"}


def separator_bytes(_context: click.Context, _parameter: click.Parameter, value: str | None) -> bytes | None:
    r"""UTF-8, with \n, \r, \t, \0, \\ and \xNN for single bytes."""
    if value is None:
        return None
    if not value:
        raise click.BadParameter("is empty")
    pattern = re.compile(rb"\\(?:([nrt0\\])|x([0-9a-fA-F]{2}))")
    return pattern.sub(
        lambda found: ESCAPES[found[1].decode()] if found[1] else bytes.fromhex(found[2].decode()),
        value.encode(),
    )


@click.command("plan")
@click.argument("paths", nargs=-1, required=True)
@click.option(
    "--split",
    type=click.Choice(["lines", "jsonl", "fixed", "files"]),
    default="lines",
    show_default=True,
    help="What a record is.",
)
@click.option(
    "--separator",
    callback=separator_bytes,
    metavar="TEXT",
    help=r"What ends a record, instead of --split; \n, \r, \t, \0, \\ and \xNN are understood.",
)
@click.option("--key", default="text", show_default=True, help="Where the text is in a line of jsonl.")
@click.option("--target", default="64MiB", show_default=True, metavar="SIZE", help="Size of a part.")
@click.option("--json", "as_json", is_flag=True, help="Write the plan as JSON, which Plan.from_json reads.")
def command(
    paths: tuple[str, ...], split: str, separator: bytes | None, key: str, target: str, as_json: bool
) -> int:
    """Cut files into parts of about a size, and show them.

    PATHS are paths, globs (in quotes, names sorted) and URLs. Only names, sizes and times are read.
    """
    from ..scale import plan

    if separator is not None and is_given("split"):
        raise click.UsageError("--split and --separator say the same: what ends a record")
    if is_given("key") and (separator is not None or split != "jsonl"):
        raise click.UsageError("--key is for --split jsonl")
    try:
        made = plan(paths, split=separator or split, key=key, target=target)
    except (OSError, ValueError, ImportError) as error:
        raise Failure(in_options(str(error))) from error
    click.echo(made.to_json() if as_json else str(made))
    return 0
