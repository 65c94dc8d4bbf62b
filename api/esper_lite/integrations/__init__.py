"""Recording what training libraries log, in three lines: one module per library.

Each module imports its library, which the base installation does not include; this package imports none.
No failure of a recorder reaches the training: it is logged as a warning, once per kind.
"""
