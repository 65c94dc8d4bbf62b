"""A canvas of braille dots, two beside and four above each other in a cell, with one tone a cell."""

from collections.abc import Iterator

from esper_tui.text.spans import Row, Span, Tone

ACROSS, DOWN = 2, 4
"""The dots of a cell."""
FULL = 0xFF
SPARSE = 0x01 | 0x04 | 0x10 | 0x80
"""Every second dot: an area through which a line remains visible."""
_BLANK = 0x2800
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bits of a cell's dots from top to bottom, of its left and of its right column."""
_RUNS = tuple(
    tuple(tuple(sum(bits[top : bottom + 1]) for bottom in range(DOWN)) for top in range(DOWN))
    for bits in _BITS
)
"""The bits of a column's dots between two rows."""


class Canvas:
    """Cells of dots; whatever is drawn later covers what other tones have drawn in its cells."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._bits = [[0] * width for _ in range(height)]
        self._tones = [[Tone.PLAIN] * width for _ in range(height)]
        self._above: list[dict[int, Span]] = [{} for _ in range(height)]
        self._below: list[dict[int, Span]] = [{} for _ in range(height)]

    def column(self, x: int, top: int, bottom: int, tone: Tone, pattern: int = FULL) -> None:
        """Draw the dots of a column between two rows of dots, both inclusive, that are on the canvas."""
        top, bottom = max(top, 0), min(bottom, self.height * DOWN - 1)
        if not 0 <= x < self.width * ACROSS or top > bottom:
            return
        cell, runs = x // ACROSS, _RUNS[x % ACROSS]
        for y in range(top // DOWN, bottom // DOWN + 1):
            start, end = max(top - y * DOWN, 0), min(bottom - y * DOWN, DOWN - 1)
            bits = runs[start][end] & pattern
            if self._tones[y][cell] is not tone:
                self._bits[y][cell], self._tones[y][cell] = 0, tone
            self._bits[y][cell] |= bits

    def text(self, x: int, y: int, span: Span, *, above: bool = True) -> None:
        """Put one character into a cell, above all dots or seen only if there is none."""
        if 0 <= x < self.width and 0 <= y < self.height:
            (self._above if above else self._below)[y][x] = span

    def row(self, y: int, background: Span) -> Row:
        """One row of cells; those with nothing in them show the character of the background."""
        bits, fill, shade = self._bits[y], background.text, background.tone
        texts = [chr(_BLANK + b) if b else fill for b in bits]
        tones = [tone if b else shade for b, tone in zip(bits, self._tones[y], strict=True)]
        below = {x: span for x, span in self._below[y].items() if not bits[x]}
        for x, span in (below | self._above[y]).items():
            texts[x], tones[x] = span
        return tuple(_spans(texts, tones))


def _spans(texts: list[str], tones: list[Tone]) -> Iterator[Span]:
    """The cells in as few spans as possible; a blank has the tone of what is before it."""
    start = 0
    for x in range(1, len(tones)):
        if tones[x] is not tones[start]:
            if texts[x] == " ":
                tones[x] = tones[start]
            else:
                yield Span("".join(texts[start:x]), tones[start])
                start = x
    if texts:
        yield Span("".join(texts[start:]), tones[start])
