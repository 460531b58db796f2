"""A picture of tables and of what their columns refer to, as SVG: boxes in columns, and lines between neighbours.

Positions are counted and not measured, in a font whose letters are all equally wide, so that a picture has the same
bytes on every machine. Lengths are pixels.
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
"""Letters of a row; what is longer takes two."""
BETWEEN_BOXES = 20
"""So that a box and the space below it are a whole number of rows: all rows stand on one grid, and heads beside it."""
BETWEEN_LANES = 10
GUTTER = 34
"""Between two columns of boxes without a line."""
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
    """A line of a table: columns, and the tables that they refer to."""

    text: str
    targets: tuple[str, ...] = ()
    is_key: bool = False


@dataclass(frozen=True)
class Table:
    """`is_guest`: another picture shows it whole."""

    name: str
    lines: tuple[Line, ...]
    is_guest: bool = False


@dataclass
class Box:
    """A table in its place. `near`: the tables that lines lead to, those of its column and of the columns beside it."""

    table: Table
    column: int
    near: frozenset[str]
    x: float = 0
    y: float = 0
    width: float = field(init=False)
    rows: list[tuple[str, str, Line]] = field(init=False)
    """What stands at the left and at the right of each, and the line that it is of."""

    def __post_init__(self) -> None:
        self.rows = [row for line in self.table.lines for row in self._rows(line)]
        longest = max(len(self.table.name), *(len(left) + len(right) + 2 for left, right, _ in self.rows))
        self.width = round(longest * LETTER) + 2 * PAD

    def _rows(self, line: Line) -> Iterator[tuple[str, str, Line]]:
        far = [target for target in line.targets if target not in self.near]
        told = f"→ {', '.join(far)}" if far else ""
        if len(line.text) + len(told) > LONGEST:
            yield line.text, "", line
            yield "", told, Line("")
        else:
            yield line.text, told, line

    @property
    def height(self) -> float:
        return HEAD + ROW * len(self.rows) + FOOT

    def edge(self, gutter: int) -> float:
        """Where it meets that gutter. The one at the left of a column has the column's number."""
        return self.x if gutter == self.column else self.x + self.width


@dataclass(frozen=True)
class Wire:
    """From a row of one box to the head of another, through a gutter. `fan`: beside the others that leave that row."""

    source: Box
    row: int
    fan: float
    target: Box
    gutter: int

    @property
    def lane(self) -> tuple[int, str]:
        """All that lead to one table through one gutter share their way."""
        return self.gutter, self.target.table.name


def svg(columns: Sequence[Sequence[Table]], title: str) -> str:
    """`columns`: the tables from left to right, each column from its top."""
    boxes = _boxes(columns)
    wires = [wire for box in boxes.values() for wire in _wires(box, boxes)]
    order = list(dict.fromkeys(wire.lane for wire in wires))
    lanes = [[lane for lane in order if lane[0] == gutter] for gutter in range(len(columns) + 1)]
    width, starts = _place(boxes, [len(each) for each in lanes])
    ways = {lane: starts[lane[0]] + BETWEEN_LANES * number for each in lanes for number, lane in enumerate(each)}
    colours = dict(zip(dict.fromkeys(name for _, name in order), COLOURS * len(order), strict=False))
    height = max(box.y + box.height for box in boxes.values()) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            '<rect width="100%" height="100%" style="fill:#fff;stroke:none"/>',
            *(part for box in boxes.values() for part in _drawn(box)),
            *(part for wire in wires for part in _led(wire, ways[wire.lane], colours)),
            "</svg>\n",
        ]
    )


def _boxes(columns: Sequence[Sequence[Table]]) -> dict[str, Box]:
    names = [[table.name for table in column] for column in columns]
    near = [frozenset(chain(*names[max(0, here - 1) : here + 2])) for here in range(len(names))]
    return {table.name: Box(table, here, near[here]) for here, column in enumerate(columns) for table in column}


def _wires(box: Box, boxes: Mapping[str, Box]) -> Iterator[Wire]:
    for number, (_, _, line) in enumerate(box.rows):
        targets = [boxes[target] for target in line.targets if target in box.near]
        for place, target in enumerate(targets):
            fan = 2.5 * (place - (len(targets) - 1) / 2)
            yield Wire(box, number, fan, target, _gutter(box.column, target.column))


def _gutter(here: int, there: int) -> int:
    """Between neighbours; within a column the one at its right, at the left of the first."""
    if here == there:
        return here + 1 if here else 0
    return max(here, there)


def _place(boxes: Mapping[str, Box], lanes: Sequence[int]) -> tuple[float, list[float]]:
    """The width of the picture, and where the first lane of each gutter is."""
    columns = [[box for box in boxes.values() if box.column == here] for here in range(len(lanes) - 1)]
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


def _drawn(box: Box) -> Iterator[str]:
    kind = "guest" if box.table.is_guest else "head"
    place = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}"'
    yield f'<rect class="box" {place} height="{box.height:g}" rx="4"/>'
    yield f'<rect class="{kind}" {place} height="{HEAD}" rx="4"/>'
    yield f'<text class="name" x="{box.x + PAD:g}" y="{box.y + 18:g}">{escape(box.table.name)}</text>'
    for number, (left, right, line) in enumerate(box.rows):
        y = box.y + HEAD + ROW * number + 15
        if left:
            style = ' class="key"' if line.is_key else ""
            yield f'<text{style} x="{box.x + PAD:g}" y="{y:g}">{escape(left)}</text>'
        if right:
            yield f'<text class="far" x="{box.x + box.width - PAD:g}" y="{y:g}">{escape(right)}</text>'


def _led(wire: Wire, way: float, colours: Mapping[str, str]) -> Iterator[str]:
    """The line, a dot where it begins, and a head where it ends."""
    colour = colours[wire.target.table.name]
    begin, end = wire.source.edge(wire.gutter), wire.target.edge(wire.gutter)
    side = 1 if way > end else -1
    # lines to the left and to the right end at heights of their own, which no row has, so that none lies on another
    y, head = wire.source.y + HEAD + ROW * wire.row + 11 + wire.fan, wire.target.y + HEAD / 2 - 1 - 2 * side
    back = end + 7 * side
    yield f'<path class="line" stroke="{colour}" d="M{begin:g} {y:g}H{way:g}V{head:g}H{back:g}"/>'
    yield f'<circle fill="{colour}" cx="{begin:g}" cy="{y:g}" r="2.5"/>'
    yield f'<path fill="{colour}" d="M{end:g} {head:g}L{back:g} {head - 4:g}V{head + 4:g}Z"/>'
