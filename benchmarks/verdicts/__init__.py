"""How often the findings are right, measured on recorded trainings with and without faults.

    python -m benchmarks.verdicts           # folds the recordings and prints how often each rule is right;
                                            # --measured adds those that no rule may be fitted to
    python -m benchmarks.verdicts.record    # trains and records anew
    python -m benchmarks.verdicts.export    # makes a run of a recording, for `esper diagnose` and the screen

`table` lists the trainings and the half that each belongs to, `outcome` says what came of one; `trainers` has
the programs that train, and the faults that are injected into them; `corpus` has one file per training, as
`recording_file` writes it.
"""
