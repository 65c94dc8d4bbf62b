"""Bands that metrics of several groups share."""

from esper_schemas.metric import Bands

RATIO_BANDS = Bands(critical_below=0.5, warning_below=0.8, warning_above=1.2, critical_above=1.5)
FAULT_COUNT_BANDS = Bands(warning_above=0.0, critical_above=5.0)
