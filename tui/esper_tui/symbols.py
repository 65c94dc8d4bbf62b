"""Other characters for the same picture, for fonts that lack blocks, arrows or box lines.

Panels are drawn once, with blocks; what is drawn is translated on its way out, cell by cell.
"""

from esper_tui.rows import Row, Rows, Span, cells

BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = {
    **dict(zip(BLOCKS, "_.:-=+*#", strict=True)),
    **dict.fromkeys("╭╮╰╯", "+"),
    **dict.fromkeys("─–—━", "-"),
    **dict.fromkeys("…·•", "."),
    "━": "=", "╸": "+", "│": "|", "▮": "|", "▸": ">",
    "●": "@", "○": "o", "◐": "%", "◇": "<", "◆": "#", "■": "#", "▲": "A", "×": "x",
    "✓": "v", "✗": "X", "→": ">", "↗": "/", "↘": "\\", "↑": "^", "↓": "v",
    "≥": ">", "≤": "<", "±": "~", "²": "2", "α": "a", "σ": "s", "δ": "d", "\xa0": " ",
}  # fmt: skip
_BRAILLE = dict(zip(BLOCKS, "⣀⣀⣤⣤⣶⣶⣿⣿", strict=True))

_TABLES: dict[str, dict[int, str]] = {
    "block": {},
    "braille": str.maketrans(_BRAILLE),
    "ascii": str.maketrans(_ASCII),
}
SYMBOL_SETS = tuple(_TABLES)
"""The names of the sets."""


def translated(rows: Rows, symbols: str) -> Rows:
    """The same rows in a set of symbols, each as wide as before."""
    table = _TABLES[symbols]
    if not table:
        return rows
    say = _ascii if symbols == "ascii" else str.translate
    return tuple(_row(row, table, say) for row in rows)


def _row(row: Row, table: dict[int, str], say) -> Row:  # type: ignore[no-untyped-def]
    return tuple(span if span.text.isascii() else Span(say(span.text, table), span.tone) for span in row)


def _ascii(text: str, table: dict[int, str]) -> str:
    """A text in which every cell is ASCII; what has no likeness is "?"."""
    known = text.translate(table)
    if known.isascii():
        return known
    return "".join(char if char.isascii() else "?" * cells(char) for char in known)
