"""``streamcore doctor``."""

from __future__ import annotations

import click

from ..doctor import facts


@click.command("doctor")
def command() -> int:
    """Say which backend runs and why, which kernel was chosen, and what is installed."""
    found = facts()
    width = max(map(len, found))
    for label, value in found.items():
        click.echo(f"{label:{width}}  {value}")
    return 0
