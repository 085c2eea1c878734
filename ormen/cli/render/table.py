"""Tables without lines: capital headers, two spaces between, text left and numbers right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ormen.cli.render.text import DASH, Look, paint, shorten_end, word_colour, wrap

INDENT = " " * 10
"""What stands before the sentence under a row."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `right` is for numbers; `coloured` paints the word of a state; `dim` is for ages.

    `rank` says when it leaves a narrow terminal: 0 never, otherwise the lowest goes first. `shrink` makes a
    long cell shorter before any ranked column above 1 leaves.
    """

    title: str
    right: bool = False
    coloured: bool = False
    dim: bool = False
    rank: int = 0
    shrink: Callable[[str, Look], str] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column title, and the sentence that says what is not as wanted (empty: all is)."""

    cells: Mapping[str, str]
    remark: str = ""


def table(columns: Sequence[Column], rows: Sequence[Row], look: Look, *, remarks: bool = True) -> str:
    """Return the table: for eyes narrowed to the width with remarks under the rows, for a pipe whole.

    In a pipe the remark is the last column, REASON, so that each row is one line; a table without `remarks`
    has none. What still does not fit wraps in the last column, under itself.
    """
    if look.width is None:
        return _piped(columns, rows, look, remarks=remarks)
    if look.narrow:
        return _stacked(columns, rows, look)
    cells = [{column.title: row.cells.get(column.title) or DASH for column in columns} for row in rows]
    kept = _fit(list(columns), cells, look)
    widths = {column.title: _width(column, cells) for column in kept}
    lines = [paint(_line(kept, {c.title: c.title for c in kept}, widths), "dim", look)]
    for row, shown in zip(rows, cells, strict=True):
        lines.extend(_shown(kept, shown, widths, look))
        if row.remark:
            lines.extend(wrap(row.remark, look.width, first=INDENT, rest=INDENT))
    return "\n".join(lines)


def _shown(columns: Sequence[Column], cells: Mapping[str, str], widths: Mapping[str, int], look: Look) -> list[str]:
    last = columns[-1]
    plain = _line(columns, cells, widths)
    before = sum(widths[column.title] + 2 for column in columns[:-1])
    if last.right or look.width is None or len(plain) <= look.width or look.width - before < 12:
        return [_painted(columns, cells, widths, look)]
    first, *rest = wrap(cells[last.title], look.width, first=" " * before, rest=" " * before)
    return [_painted(columns, {**cells, last.title: first[before:]}, widths, look), *rest]


def _width(column: Column, cells: Sequence[Mapping[str, str]]) -> int:
    return max([len(column.title), *(len(row[column.title]) for row in cells)])


def _total(columns: Sequence[Column], cells: Sequence[Mapping[str, str]]) -> int:
    return sum(_width(column, cells) + 2 for column in columns) - 2


def _fit(columns: list[Column], cells: list[dict[str, str]], look: Look) -> list[Column]:
    """Return the columns that fit. The first to leave goes, then long cells are shortened, then others leave."""
    room = look.width or 0

    def leave() -> list[Column]:
        ranked = sorted((column for column in kept if column.rank), key=lambda column: column.rank)
        return [column for column in kept if column is not ranked[0]] if ranked else kept

    kept = columns
    if _total(kept, cells) > room and any(column.rank == 1 for column in kept):
        kept = leave()
    for column in kept:
        if column.shrink and _total(kept, cells) > room:
            for row in cells:
                row[column.title] = column.shrink(row[column.title], look)
    while _total(kept, cells) > room and any(column.rank for column in kept):
        kept = leave()
    return kept


def _line(columns: Sequence[Column], cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    padded = [_pad(column, cells[column.title], widths[column.title]) for column in columns]
    return "  ".join(padded).rstrip()


def _pad(column: Column, text: str, width: int) -> str:
    return text.rjust(width) if column.right else text.ljust(width)


def _painted(columns: Sequence[Column], cells: Mapping[str, str], widths: Mapping[str, int], look: Look) -> str:
    if not look.colour:
        return _line(columns, cells, widths)
    parts = []
    for position, column in enumerate(columns):
        text = cells[column.title]
        last = position == len(columns) - 1 and not column.right
        colour = word_colour(text) if column.coloured else "dim" if column.dim else None
        padded = text if last else _pad(column, text, widths[column.title])
        parts.append(padded.replace(text, paint(text, colour, look), 1))
    return "  ".join(parts)


def _piped(columns: Sequence[Column], rows: Sequence[Row], look: Look, *, remarks: bool) -> str:
    full = [*columns, Column("REASON")] if remarks else list(columns)
    cells = [
        {**{column.title: row.cells.get(column.title) or DASH for column in columns}, "REASON": row.remark or DASH}
        for row in rows
    ]
    widths = {column.title: _width(column, cells) for column in full}
    head = _line(full, {column.title: column.title for column in full}, widths)
    return "\n".join([paint(head, "dim", look), *(_painted(full, shown, widths, look) for shown in cells)])


def _stacked(columns: Sequence[Column], rows: Sequence[Row], look: Look) -> str:
    wide = max(len(column.title) for column in columns)
    blocks = []
    for row in rows:
        lines: list[str] = []
        for column in columns:
            key = column.title.ljust(wide) + "  "
            lines.extend(wrap(row.cells.get(column.title) or DASH, look.width, first=key, rest=" " * len(key)))
        if row.remark:
            lines.extend(wrap(row.remark, look.width, first="  ", rest="  "))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def shrink_image(image: str, look: Look) -> str:
    """Return an image without its registry: ``…/acme/api:4.2``; the tag is never cut."""
    head, slash, rest = image.partition("/")
    registry = slash and ("." in head or ":" in head or head == "localhost")
    return f"{shorten_end(look)}/{rest}" if registry else image


def shrink_name(name: str, look: Look) -> str:
    """Return a long name with both its ends: ``import-cus…-eu-7``."""
    mark = shorten_end(look)
    return name if len(name) <= 16 else name[: 11 - len(mark)] + mark + name[-5:]
