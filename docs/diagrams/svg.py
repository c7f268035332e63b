"""Shapes for diagrams 400 units wide, in two palettes: legible at 330 pixels and at 560, by day and by night."""

from __future__ import annotations

from html import escape

__all__ = ["WIDTH", "Drawing", "number"]

WIDTH = 400

STYLE = """
svg{--ink:#1b1f27;--soft:#566072;--line:#dfe3ea;--card:#fff;
--a:#1d5fd1;--a2:#e1ebfc;--b:#9a4a06;--b2:#fbe8d6}
@media (prefers-color-scheme:dark){svg{--ink:#e4e8ee;--soft:#a3adbb;--line:#353c48;--card:#191d24;
--a:#8db9ff;--a2:#1e3152;--b:#f0b27a;--b2:#46301c}}
.card{fill:var(--card);stroke:var(--line)}
text{font:14px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink)}
.code{font:13.5px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.mid{text-anchor:middle}
.end{text-anchor:end}
.soft{fill:var(--soft)}
.line{stroke:var(--line);fill:none}
.a{fill:var(--a2);stroke:var(--a)}
.b{fill:var(--b2);stroke:var(--b)}
.held{fill:none;stroke:var(--soft);stroke-dasharray:3 2.5}
.other{fill:none;stroke:var(--soft)}
.wait{fill:var(--line);stroke:none}
.stop{stroke:var(--ink);stroke-width:2}
""".strip()


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


class Drawing:
    """Collects shapes from top to bottom; ``text`` is the file."""

    def __init__(self, title: str, description: str) -> None:
        self.title, self.description = title, description
        self.shapes: list[str] = []
        self.y = 12.0

    def box(self, x: float, y: float, width: float, height: float, kind: str, radius: float = 4) -> None:
        self.shapes.append(
            f'<rect class="{kind}" x="{number(x)}" y="{number(y)}" width="{number(width)}" '
            f'height="{number(height)}" rx="{number(radius)}"/>'
        )

    def write(self, x: float, y: float, words: str, kind: str = "") -> None:
        attribute = f' class="{kind}"' if kind else ""
        self.shapes.append(
            f'<text{attribute} x="{number(x)}" y="{number(y)}" xml:space="preserve">{escape(words)}</text>'
        )

    def line(self, x: float, y: float, to_x: float, to_y: float, kind: str = "line") -> None:
        self.shapes.append(
            f'<path class="{kind}" d="M{number(x)} {number(y)}L{number(to_x)} {number(to_y)}"/>'
        )

    def chip(self, x: float, y: float, width: float, words: str, kind: str, height: float = 22) -> None:
        """A box with words in its middle; ``y`` is its upper edge."""
        self.box(x, y, width, height, kind)
        self.write(x + width / 2, y + height / 2 + 4.8, words, "code mid")

    def text(self) -> str:
        height = self.y + 12
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {number(height)}" width="{WIDTH * 1.3:.0f}" '
            f'height="{height * 1.3:.0f}" role="img" aria-labelledby="t d">\n'
            f'<title id="t">{escape(self.title)}</title>\n<desc id="d">{escape(self.description)}</desc>\n'
            f"<style>\n{STYLE}\n</style>\n"
            f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{number(height - 1)}" rx="8"/>\n'
            + "\n".join(self.shapes)
            + "\n</svg>\n"
        )
