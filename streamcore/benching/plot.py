"""A run as an SVG: a bar with its number for each side, ours in one colour, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from .report import footer, warnings
from .results import Row, Run, Table, number

__all__ = ["svg"]

WIDTH = 830
LEFT = 210  # where bars begin
LONGEST = 470
BAR = 16
STEP = 22

STYLE = """
text { font: 13px system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #1f2328;
  paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round }
.title { font-weight: 600 }
.quiet { fill: #59636e; font-size: 12px }
.page { fill: #ffffff }
.ours { fill: #0a66c2 }
.twin { fill: #0a66c2; fill-opacity: .5 }
.peer { fill: #b4bcc4 }
.floor { stroke: #59636e; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; stroke: #0d1117 }
.quiet { fill: #9198a1 }
.page { fill: #0d1117 }
.ours, .twin { fill: #58a6ff }
.peer { fill: #57606a }
.floor { stroke: #9198a1 }
}
"""


def svg(run: Run) -> str:
    """The picture, ``WIDTH`` wide and as high as it must be. Each case has a scale of its own."""
    body: list[str] = []
    top = 14
    for table in run.tables:
        if table.rows:
            drawn, top = group(table, top)
            body += drawn
    for line in [part for text in (*warnings(run), *footer(run)) for part in folded(text)]:
        body.append(text_at(16, top + 12, line, "quiet"))
        top += 18
    height = top + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        f' role="img" aria-label="Results of streamcore bench">\n<style>{STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{height}"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def group(table: Table, top: int) -> tuple[list[str], int]:
    """The bars of a case, and where the next one begins."""
    better = "more is better" if table.more_is_better else "less is better"
    heads = folded(f"{table.name}: {table.summary}; {table.unit}, {better}", 104)
    drawn = [text_at(16, top + 18 * at + 13, line, "title") for at, line in enumerate(heads)]
    top += 18 * len(heads) + 6
    most = max(row.median for row in table.rows) or 1
    begin = top
    top += STEP * len(table.rows)
    if table.floor is not None and table.floor.median <= most:  # before the bars, which it must not hide
        at = LEFT + LONGEST * table.floor.median / most
        drawn.append(f'<line class="floor" x1="{at:.1f}" y1="{begin - 2}" x2="{at:.1f}" y2="{top - 3}"/>')
    for place, row in enumerate(table.rows):
        drawn += bar(table, row, begin + STEP * place, most)
    if table.floor is not None:
        label = f"floor {number(table.floor.median)}: {table.floor_is}"
        drawn.append(text_at(LEFT, top + 10, label, "quiet"))
        top += 18
    return drawn, top + 12


def bar(table: Table, row: Row, top: int, most: float) -> Iterator[str]:
    kind = {"native": "ours", "pure": "twin"}.get(row.side, "peer")
    length = max(1.0, LONGEST * row.median / most)
    yield text_at(LEFT - 8, top + 13, row.side, anchor="end")
    yield f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>'
    yield text_at(LEFT + length + 8, top + 13, f"{number(row.median)} {table.unit}")


def text_at(x: float, y: float, text: str, kind: str = "", anchor: str = "") -> str:
    extra = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    clean = "".join(each for each in text if each.isprintable())
    return f'<text x="{x:.1f}" y="{y}"{extra}>{escape(clean)}</text>'


def folded(text: str, width: int = 128) -> list[str]:
    """Lines of at most ``width`` characters, cut at spaces."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines
