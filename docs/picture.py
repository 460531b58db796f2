"""Draws tables and the references of their columns as SVG: boxes in columns, and lines between adjacent boxes.

Text widths are computed from the number of letters of a monospaced font, so that a picture has the same bytes on every
machine. Lengths are pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import chain

LETTER = 6.7
ROW = 18
HEAD = 28
PAD = 10
FOOT = 6
LONGEST = 52
"""Letters of a row. A longer row is split in two."""
BETWEEN_BOXES = 20
"""With it, a box and the space below it are a whole number of rows, so that the rows of all boxes share one grid."""
BETWEEN_LANES = 10
GUTTER = 34
"""Space between two columns of boxes without a line."""
MARGIN = 18
COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#8250df", "#bc4c00", "#0e7490", "#bf3989", "#7d5a00", "#57606a", "#3d6b00")
STYLE = (
    "text{font:11px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}"
    "text.name,text.key{font-weight:bold}text.far{fill:#6e7781;text-anchor:end}"
    "rect{stroke:#8c959f}.box{fill:#fff}.head{fill:#ddf4ff}.guest{fill:#f6f8fa;stroke-dasharray:4 3}"
    "path.line{fill:none;stroke-width:1.4}"
)


@dataclass(frozen=True)
class Line:
    """A line of a table: `text` names columns, `targets` the tables that they refer to."""

    text: str
    targets: tuple[str, ...] = ()
    is_key: bool = False


@dataclass(frozen=True)
class Table:
    """`is_guest`: whether another picture shows the whole table."""

    name: str
    lines: tuple[Line, ...]
    is_guest: bool = False


@dataclass
class Box:
    """A table with its position.

    `adjacent`: the tables of its column and of the columns beside it; lines lead only to these. `rows`: of each, the
    text at the left, the text at the right, and its line.
    """

    table: Table
    column: int
    adjacent: frozenset[str]
    x: float = 0
    y: float = 0
    width: float = field(init=False)
    rows: list[tuple[str, str, Line]] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [row for line in self.table.lines for row in self._rows(line)]
        longest = max(len(self.table.name), *(len(left) + len(right) + 2 for left, right, _ in self.rows))
        self.width = round(longest * LETTER) + 2 * PAD

    def _rows(self, line: Line) -> Iterator[tuple[str, str, Line]]:
        distant = [target for target in line.targets if target not in self.adjacent]
        written = f"→ {', '.join(distant)}" if distant else ""
        if len(line.text) + len(written) > LONGEST:
            yield line.text, "", line
            yield "", written, Line("")
        else:
            yield line.text, written, line

    @property
    def height(self) -> float:
        return HEAD + ROW * len(self.rows) + FOOT

    def side_x(self, gutter: int) -> float:
        """Returns the x of the box's side at a gutter. The gutter at the left of a column has the column's number."""
        return self.x if gutter == self.column else self.x + self.width


@dataclass(frozen=True)
class Link:
    """Leads from a row of one box to the head of another, through a gutter. `fan`: its offset from the row's middle."""

    source: Box
    row: int
    fan: float
    target: Box
    gutter: int

    @property
    def lane(self) -> tuple[int, str]:
        """The links to one table through one gutter share a vertical line."""
        return self.gutter, self.target.table.name


def svg(columns: Sequence[Sequence[Table]], title: str) -> str:
    """`columns`: the tables from left to right, each column from its top."""
    boxes = _boxes(columns)
    links = [link for box in boxes.values() for link in _links(box, boxes)]
    order = list(dict.fromkeys(link.lane for link in links))
    lanes = [[lane for lane in order if lane[0] == gutter] for gutter in range(len(columns) + 1)]
    width, starts = _lay_out(boxes, [len(each) for each in lanes])
    lane_xs = {lane: starts[lane[0]] + BETWEEN_LANES * number for each in lanes for number, lane in enumerate(each)}
    colours = dict(zip(dict.fromkeys(name for _, name in order), COLOURS * len(order), strict=False))
    height = max(box.y + box.height for box in boxes.values()) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            '<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>',
            *(part for box in boxes.values() for part in _draw_box(box)),
            *(part for link in links for part in _draw_link(link, lane_xs[link.lane], colours)),
            "</svg>\n",
        ]
    )


def _boxes(columns: Sequence[Sequence[Table]]) -> dict[str, Box]:
    names = [[table.name for table in column] for column in columns]
    adjacent = [frozenset(chain(*names[max(0, index - 1) : index + 2])) for index in range(len(names))]
    return {table.name: Box(table, index, adjacent[index]) for index, column in enumerate(columns) for table in column}


def _links(box: Box, boxes: Mapping[str, Box]) -> Iterator[Link]:
    for number, (_, _, line) in enumerate(box.rows):
        targets = [boxes[target] for target in line.targets if target in box.adjacent]
        for index, target in enumerate(targets):
            fan = 2.5 * (index - (len(targets) - 1) / 2)
            yield Link(box, number, fan, target, _gutter(box.column, target.column))


def _gutter(source: int, target: int) -> int:
    """Returns the gutter between two adjacent columns. Within a column: at its right, for the first at its left."""
    if source == target:
        return source + 1 if source else 0
    return max(source, target)


def _lay_out(boxes: Mapping[str, Box], lanes: Sequence[int]) -> tuple[float, list[float]]:
    """Sets the boxes' positions. Returns the picture's width and the x of each gutter's first lane."""
    columns = [[box for box in boxes.values() if box.column == index] for index in range(len(lanes) - 1)]
    heights = [sum(box.height + BETWEEN_BOXES for box in column) - BETWEEN_BOXES for column in columns]
    x: float = 0
    starts = []
    for gutter, count in enumerate(lanes):
        is_outer = gutter in (0, len(lanes) - 1)
        space = GUTTER + BETWEEN_LANES * (count - 1) if count else MARGIN if is_outer else GUTTER
        starts.append(x + GUTTER / 2)
        x += space
        if gutter < len(columns):
            y: float = MARGIN + ROW * round((max(heights) - heights[gutter]) / 2 / ROW)
            widest = max(box.width for box in columns[gutter])
            for box in columns[gutter]:
                box.x, box.y, box.width = x, y, widest
                y += box.height + BETWEEN_BOXES
            x += widest
    return x, starts


def _draw_box(box: Box) -> Iterator[str]:
    kind = "guest" if box.table.is_guest else "head"
    position = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}"'
    yield f'<rect class="box" {position} height="{box.height:g}" rx="4"/>'
    yield f'<rect class="{kind}" {position} height="{HEAD}" rx="4"/>'
    yield f'<text class="name" x="{box.x + PAD:g}" y="{box.y + 18:g}">{escape(box.table.name)}</text>'
    for number, (left, right, line) in enumerate(box.rows):
        y = box.y + HEAD + ROW * number + 15
        if left:
            style = ' class="key"' if line.is_key else ""
            yield f'<text{style} x="{box.x + PAD:g}" y="{y:g}">{escape(left)}</text>'
        if right:
            yield f'<text class="far" x="{box.x + box.width - PAD:g}" y="{y:g}">{escape(right)}</text>'


def _draw_link(link: Link, lane_x: float, colours: Mapping[str, str]) -> Iterator[str]:
    """Draws the line, a dot at its start and an arrowhead at its end."""
    colour = colours[link.target.table.name]
    begin, end = link.source.side_x(link.gutter), link.target.side_x(link.gutter)
    side = 1 if lane_x > end else -1
    # lines from the left, lines from the right and rows all have different heights, so that no line covers another
    y, head = link.source.y + HEAD + ROW * link.row + 11 + link.fan, link.target.y + HEAD / 2 - 1 - 2 * side
    back = end + 7 * side
    yield f'<path class="line" stroke="{colour}" d="M{begin:g} {y:g}H{lane_x:g}V{head:g}H{back:g}"/>'
    yield f'<circle fill="{colour}" cx="{begin:g}" cy="{y:g}" r="2.5"/>'
    yield f'<path fill="{colour}" d="M{end:g} {head:g}L{back:g} {head - 4:g}V{head + 4:g}Z"/>'
