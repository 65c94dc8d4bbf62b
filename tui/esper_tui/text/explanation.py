"""Help for numbers outside the catalogue of metrics, such as those of the link, the machine and the slots."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from esper_tui.text.spans import Row, Rows, Span, Tone, left

TERM_WIDTH = 12


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a number is, when it is healthy, and what to do when it is not."""

    what: str
    healthy: str = ""
    advice: str = ""


def explanation_rows(explanation: Explanation, width: int) -> Rows:
    """The explanation in the format of a metric's help."""
    terms = (("Meaning", explanation.what), ("Healthy", explanation.healthy), ("Advice", explanation.advice))
    return tuple(row for term, text in terms if text for row in term_rows(term, text, width))


def term_rows(term: str, text: str, width: int) -> Iterator[Row]:
    """A term, and a text wrapped beside it."""
    for place, line in enumerate(textwrap.wrap(text, max(width - TERM_WIDTH, 10))):
        yield (left("" if place else term, TERM_WIDTH, Tone.LABEL), Span(line))
