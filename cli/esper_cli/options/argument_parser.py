"""An argument parser that reports a mistake in one sentence and accepts no abbreviated options."""

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from shutil import get_terminal_size
from typing import Any, NoReturn

from esper_cli.output.echo import escaped


def _formatter(prog: str) -> argparse.HelpFormatter:
    width = min(100, get_terminal_size().columns) - 2
    return argparse.HelpFormatter(prog, max_help_position=30, width=width)


class OneSentenceParser(argparse.ArgumentParser):
    """Reports wrong usage in one line on stderr and exits with code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False, formatter_class=_formatter)

    def error(self, message: str) -> NoReturn:
        """Report a mistake, and where help is found."""
        self.exit(2, f"{self.prog}: {escaped(message.removesuffix('.'))}; see `{self.prog} --help`\n")

    def parse_known_args(  # type: ignore[override] # a command is asked for all of its arguments
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; arguments that are left over are reported here, by the command that they were given to."""
        parsed, unknown = super().parse_known_args(sys.argv[1:] if args is None else args, namespace)
        if unknown:
            self.error(self._unknown(unknown[0]))
        return parsed, []

    def _unknown(self, word: str) -> str:
        name = word.split("=")[0]
        if not name.startswith("-"):
            return f"unexpected argument {word!r}"
        close = get_close_matches(name, self._option_string_actions, n=1)
        return f"unknown option {name}" + (f", did you mean {close[0]}?" if close else "")
