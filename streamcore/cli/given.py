"""What stands on the command line, and messages of the package in its words."""

from __future__ import annotations

import re

import click

__all__ = ["in_options", "is_given"]

# Names of the package that are no options of the same name.
NAMES = {"out": "-o", "format": "-f"}


def is_given(name: str) -> bool:
    """Whether an option of this name stands on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not None and source is not click.core.ParameterSource.DEFAULT


def in_options(text: str) -> str:
    """``max_size is 2`` as ``--max-size is 2``, ``engine='dask'`` as ``--engine dask``: what a user can type."""
    context = click.get_current_context(silent=True)
    params = [] if context is None else context.command.params
    options = NAMES | {
        each.name: max(each.opts, key=len)
        for each in params
        if isinstance(each, click.Option) and each.name is not None
    }
    names = "|".join(options)
    text = re.sub(
        rf"(?<![\w-])({names})=(?:'([^']*)'|(\w+))",
        lambda found: f"{options[found[1]]} {found[2] or found[3] or ''}",
        text,
    )
    return re.sub(
        rf"(?<![\w'-])({names})(?= (?:must|is|are|means|has|holds|and)\b)",
        lambda found: options[found[1]],
        text,
    )
