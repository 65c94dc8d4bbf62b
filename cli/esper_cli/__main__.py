"""`python -m esper_cli`: the same as `esper`."""

import sys

from esper_cli.esper import main

sys.exit(main())
