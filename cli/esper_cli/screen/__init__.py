"""Opening Sanctum: on a terminal, in a browser, beside a training."""
