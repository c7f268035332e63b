"""The group of commands and what an exception means to the shell."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from .failure import ClosedPipe, Failure, printable

# A command's module is imported when it runs; its line in the overview stands here, so that --help imports
# none.
COMMANDS = {
    "lines": "Cut a byte stream into lines.",
    "frames": "Cut a byte stream into frames that begin with their length.",
    "sse": "Cut an event stream into events.",
    "jsonl": "Cut JSON Lines into records, or give the text of a field.",
    "cdc": "Cut a byte stream into chunks by their content.",
    "words": "Cut text into words.",
    "split": "Split text into chunks of a size.",
    "tokens": "Turn text into the ids of a BPE vocabulary, and back.",
    "plan": "Cut files into parts for a job, and show them.",
    "bench": "Measure the stages against what else does the work.",
    "doctor": "Say which backend runs and why, and what is installed.",
}


class LazyGroup(click.Group):
    """Finds a command by its module in this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f".{cmd_name}", __package__).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from .. import __version__

        click.echo(f"streamcore {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version and exit.",
)
@click.pass_context
def group(context: click.Context) -> None:
    """Stream files, pipes and .gz or .zst input through the streamcore stages.

    Without FILE a command runs on an embedded page of text; - is standard input. Exit codes: 0 done, 1 some
    records skipped, 2 usage or input error, 3 incomplete but resumable, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo("streamcore words             words of a page of text; FILE or - in its place")
        click.echo("streamcore tokens FILE       ids of GPT-2's vocabulary; -o OUT writes a file")
        click.echo(f"streamcore --help            {', '.join(COMMANDS)}")


def terminate(number: int, _frame: FrameType | None) -> NoReturn:
    """As Ctrl-C: unwinds, so that no temporary file stays behind."""
    raise SystemExit(128 + number)


def run(arguments: list[str]) -> int:
    """Run one command; every way it can end becomes an exit code here and a line on standard error."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), terminate)
    try:
        with group.make_context("streamcore", arguments) as context:
            code = group.invoke(context)
            sys.stdout.flush()
            return int(code or 0)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        error.message = printable(error.message)  # type: ignore[misc]  # it may quote the command line
        error.show()
        return 2
    except Failure as error:
        click.echo(f"streamcore: {printable(str(error))}", err=True)
        return 2
    except (ClosedPipe, BrokenPipeError):
        silence_standard_output()
        return 0
    except (KeyboardInterrupt, click.Abort):
        click.echo("streamcore: interrupted", err=True)
        return 130
    except ImportError as error:
        if not str(error).startswith("STREAMCORE_"):
            raise
        click.echo(f"streamcore: {error}", err=True)
        return 2
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        # help, or facts, to a full device; data and files have failures of their own
        silence_standard_output()
        click.echo(f"streamcore: standard output: cannot be written: {error.strerror}", err=True)
        return 2
    except Exception:  # noqa: BLE001
        # A fault of ours. Python's own exit code for it is 1, which means skipped records here.
        traceback.print_exc()
        return 2


def silence_standard_output() -> None:
    """Point standard output at nothing: Python flushes it at exit, and would complain about the closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
