"""Whether a run was recorded under the fold that would show it now."""

from pathlib import Path

from esper_aggregator.fold.fold import FOLD_VERSION
from esper_bus.store.run_reader import readable_files


def fold_difference(path: Path) -> str:
    """Return a sentence about the fold of a log, empty if it is the present one. Raises `EsperError`.

    Spools were not folded by anything when they were written.
    """
    versions = readable_files(path).fold_versions
    if versions <= {FOLD_VERSION}:
        return ""
    recorded = " and ".join(_name(version) for version in sorted(versions - {FOLD_VERSION}))
    return (
        f"{path} was recorded under {recorded} of the fold and is shown under version {FOLD_VERSION}; "
        "findings and derived values may differ from those that were shown then"
    )


def _name(version: int) -> str:
    return f"version {version}" if version else "an unknown version"
