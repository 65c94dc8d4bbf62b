"""Where the keys and columns of a segment are: read without NumPy, as it says what an index has."""

import msgspec


class Extent(msgspec.Struct, frozen=True, array_like=True):
    """Where a key or column is in the body, and its checksum."""

    offset: int
    size: int
    checksum: int


class SegmentColumn(msgspec.Struct, frozen=True, array_like=True):
    """A column: its values, and the bits of the rows that have one, if not all have."""

    values: Extent
    narrow: bool
    rows: Extent | None = None


class SegmentTable(msgspec.Struct, frozen=True, array_like=True):
    """The keys and columns of a segment."""

    keys: tuple[Extent, ...] = ()
    columns: dict[str, SegmentColumn] = {}
