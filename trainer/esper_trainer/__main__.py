"""`python -m esper_trainer`: one process of a training, as `torchrun` and `esper ppo --ranks` start them."""

import sys

from esper_cli.training_process import main

if __name__ == "__main__":
    sys.exit(main())
