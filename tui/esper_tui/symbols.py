"""Other characters for the same picture, for fonts that lack blocks, arrows or box lines.

Panels are drawn once, with blocks; what is drawn is translated on its way out, cell by cell.
"""

from esper_tui.rows import Rows, Span, cells

BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = {
    **dict(zip(BLOCKS, "_.:-=+*#", strict=True)),
    **dict.fromkeys("╭╮╰╯", "+"),
    **dict.fromkeys("─–—━", "-"),
    **dict.fromkeys("…·", "."),
    "━": "=", "╸": "+", "│": "|", "▮": "|", "▸": ">",
    "•": "*", "●": "@", "○": "o", "◐": "%", "◇": "<", "◆": "#", "■": "#", "▲": "A", "×": "x",
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
    return tuple(tuple(_translated(span, table, symbols == "ascii") for span in row) for row in rows)


def _translated(span: Span, table: dict[int, str], only_ascii: bool) -> Span:
    if span.text.isascii():
        return span
    text = span.text.translate(table)
    return Span(_ascii(text) if only_ascii else text, span.tone)


def _ascii(text: str) -> str:
    """A text in which every cell is ASCII; what has no likeness is "?"."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else "?" * cells(char) for char in text)
