"""What is wrong with a training: watches, rules, and the judgement that joins them."""

from esper_schemas.diagnosis.diagnose import diagnose

__all__ = ["diagnose"]
