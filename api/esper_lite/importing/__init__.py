"""Imports and follows the logs of other libraries: readers that yield rows, and what writes them to a run.

Nothing here needs the library that wrote a log: TensorBoard's and W&B's records are read in their wire
format, whose field numbers are permanent.
"""
