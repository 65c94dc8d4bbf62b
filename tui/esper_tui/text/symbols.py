"""Alternative symbols for fonts that lack blocks, arrows or box lines.

Panels are always drawn with blocks; the finished rows are translated cell by cell.
"""

from esper_tui.text.spans import Rows, Span, text_width

BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = {
    **dict(zip(BLOCKS, "_.:-=+*#", strict=True)),
    **dict.fromkeys("╭╮╰╯", "+"),
    **dict.fromkeys("─–—━", "-"),
    **dict.fromkeys("…·", "."),
    "━": "=", "╸": "+", "│": "|", "▮": "|", "▸": ">",
    "•": "*", "●": "@", "○": "o", "◐": "%", "◇": "<", "◈": "=", "◆": "#", "■": "#", "▲": "A", "×": "x",
    "✓": "v", "✗": "X", "→": ">", "↗": "/", "↘": "\\", "↑": "^", "↓": "_",
    "≥": ">", "≤": "<", "±": "~", "²": "2", "α": "a", "σ": "s", "δ": "d", "\xa0": " ",
    **dict.fromkeys("▔▀", "-"), **dict.fromkeys("▌▐▎▊", "|"), "▶": ">", "◀": "<", "🔎": "> ",
    **dict.fromkeys("┤└┬", "+"), "┊": ":", "╌": "-", "░": ",", "▒": ";",
}  # fmt: skip
_ASCII_PAIRS = (("≤ ", "<="), ("≥ ", ">="))
"""Signs whose one-cell replacement would read as "<" or ">"; with the blank behind them they get two."""

_BRAILLE = dict(zip(BLOCKS, "⣀⣀⣤⣤⣶⣶⣿⣿", strict=True))


def _dots_in_ascii(bits: int) -> str:
    """A character with ink at about the heights of the dots of a braille cell."""
    rows = [bool(bits & row) for row in (0x09, 0x12, 0x24, 0xC0)]
    if all(rows):
        return "#" if bits.bit_count() > 5 else ":" if bits & 0x47 and bits & 0xB8 else "|"
    if sum(rows) > 1 and (rows[0] or rows[3]) and rows != [True, True, False, False]:
        return "." if rows == [False, False, True, True] else ":"
    return "'" if rows[0] else "." if rows[3] else "-"


_ASCII |= {chr(0x2800 + bits): _dots_in_ascii(bits) if bits else " " for bits in range(256)}

_TABLES: dict[str, dict[int, str]] = {
    "block": {},
    "braille": str.maketrans(_BRAILLE),
    "ascii": str.maketrans(_ASCII),
}
SYMBOL_SETS = tuple(_TABLES)
"""The names of the symbol sets."""


def translated(rows: Rows, symbols: str) -> Rows:
    """The same rows in a set of symbols, each as wide as before."""
    table = _TABLES[symbols]
    if not table:
        return rows
    return tuple(tuple(_translated(span, table, symbols == "ascii") for span in row) for row in rows)


def _translated(span: Span, table: dict[int, str], only_ascii: bool) -> Span:
    if span.text.isascii():
        return span
    return Span(in_ascii(span.text) if only_ascii else span.text.translate(table), span.tone)


def in_ascii(text: str) -> str:
    """A text of the same width in ASCII; a character without a replacement becomes "?"."""
    for sign, likeness in _ASCII_PAIRS:
        text = text.replace(sign, likeness)
    text = text.translate(_TABLES["ascii"])
    if text.isascii():
        return text
    return "".join(char if char.isascii() else "?" * text_width(char) for char in text)
