"""`python -m esper_aggregator`: the aggregator in the foreground."""

import argparse
import sys

from esper_aggregator.options import add_arguments, run
from esper_schemas.errors import EsperError


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="esper_aggregator", description=__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except EsperError as error:
        print(f"esper aggregate: {error}", file=sys.stderr)  # noqa: T201 - what the user reads
        return 1


if __name__ == "__main__":
    sys.exit(main())
