"""`python -m esper_aggregator`: the same as `esper aggregate`."""

import sys

from esper_cli import esper


def main() -> int:
    """Serve in the foreground; returns the exit code."""
    return esper.main(["aggregate", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
