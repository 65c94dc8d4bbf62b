"""Any value in any field, generated from the types of the snapshot, so that a new field is tested too."""

import math
import random
from collections import defaultdict

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from esper_schemas import HEADS, SanctumSnapshot, TamiyoState, decode_snapshot, encode_snapshot
from esper_schemas.codec import to_json
from esper_schemas.source import Feed
from esper_tui.frame import RUNS, draw, frame_rows
from esper_tui.pages.opened_panel import opened_rows
from esper_tui.pages.page_registry import PAGES
from esper_tui.panels.panel_registry import PANELS
from esper_tui.text.spans import plain, row_width
from esper_tui.text.symbols import SYMBOL_SETS
from esper_tui.view.view import View, ViewOptions

NUMBERS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 1e300, -1e300, 5e-324, 999.9996, 0.49999999)
WHOLE = (0, 1, -1, 2, 7, 10**6, 2**63, 2**64 - 1, -(2**63))
WORDS = (
    "",
    "op",
    "\x1b[2J\x1b]52;c;ZXZpbA==\x07",
    "tab\tnew\nline\r\0",
    "日本語のラン",
    "👩‍👩‍👧‍👦 e\u0301 \u202eright to left\u2066",
    "[bold]markup[/]",
    "x" * 5000,
    "\ud7ff\ufffe\U0010ffff",
)
KEYS = (*HEADS, "policy_loss", "error", "unheard of", "", "日本")
MOST = 12
TIME_DEPENDENT = {"link", "vitals"}


class Hostile:
    """Generates values of a type; either anything anywhere, or one kind of value everywhere."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.mood = self.random.choice(["anything", "anything", "numbers", "whole", "empty", "full"])
        self.one_number = self.random.choice(NUMBERS)
        self.one_whole = self.random.choice(WHOLE)
        self.seen = defaultdict(set)

    def make(self, kind, path=""):
        """A value of a type that `msgspec.inspect` describes."""
        value = getattr(self, "_" + type(kind).__name__)(kind, path)
        if not isinstance(value, (msgspec.Struct, tuple, dict)):
            self.seen[path].add(repr(value)[:20])
        return value

    def _StructType(self, kind, path):
        fields = [field for field in kind.fields if self._is_set(field)]
        return kind.cls(**{field.name: self.make(field.type, f"{path}.{field.name}") for field in fields})

    def _is_set(self, field):
        return field.required or self.mood != "empty" or self.random.random() < 0.1

    def _UnionType(self, kind, path):
        return self.make(self.random.choice(kind.types), path)

    def _FloatType(self, kind, path):
        return self.one_number if self.mood == "numbers" else self.random.choice(NUMBERS)

    def _IntType(self, kind, path):
        return self.one_whole if self.mood == "whole" else self.random.choice(WHOLE)

    def _StrType(self, kind, path):
        return self.random.choice(WORDS)

    def _BoolType(self, kind, path):
        return self.random.random() < 0.5

    def _NoneType(self, kind, path):
        return None

    def _LiteralType(self, kind, path):
        return self.random.choice(kind.values)

    def _EnumType(self, kind, path):
        return self.random.choice(list(kind.cls))

    def _VarTupleType(self, kind, path):
        return tuple(self.make(kind.item_type, path + "[]") for _ in range(self._length()))

    def _DictType(self, kind, path):
        keys = KEYS if isinstance(kind.key_type, inspect.StrType) else [self.make(kind.key_type, path)]
        chosen = self.random.sample(KEYS, self._length()) if keys is KEYS else keys
        return {key: self.make(kind.value_type, path + "{}") for key in chosen}

    def _length(self):
        return {"empty": 0, "full": MOST}.get(self.mood) or self.random.randrange(4)


SNAPSHOT = inspect.type_info(SanctumSnapshot)
MOMENTS = st.none() | st.sampled_from([0, -(2**63), 2**64 - 1, 1_700_000_000_000_000_000])
SIZES = st.tuples(st.integers(1, 300), st.integers(1, 100))
SEEDS = st.integers(0, 2**32)
VIEW_OPTIONS = st.builds(
    ViewOptions,
    symbols=st.sampled_from(SYMBOL_SETS),
    hidden=st.frozensets(st.sampled_from(tuple(PANELS))),
    selected=st.none() | st.sampled_from(tuple(PANELS)),
)
LINKS = st.builds(
    Feed,
    live=st.booleans(),
    received_ns=MOMENTS,
    sent_ns=MOMENTS,
    trainer_message_ns=MOMENTS,
    origin=st.sampled_from(WORDS),
    problem=st.sampled_from(WORDS),
    runs=st.lists(st.sampled_from(WORDS), max_size=5).map(tuple),
)


def snapshot_of(seed):
    """A hostile snapshot, encoded and decoded as by a socket."""
    return decode_snapshot(encode_snapshot(Hostile(seed).make(SNAPSHOT)))


def check(view, size, options):
    """Check that every panel fills its place with printable text, and that none has failed."""
    for place, rows in draw(view, *size, options):
        assert len(rows) == place.height
        assert {row_width(row) for row in rows} == {place.width}
        lines = [plain(row) for row in rows]
        assert all(line.isprintable() for line in lines)
        assert not any("cannot be drawn" in line for line in lines), lines
        assert options.symbols != "ascii" or all(line.isascii() for line in lines)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(SEEDS, LINKS, SIZES, VIEW_OPTIONS, MOMENTS, st.booleans())
def test_any_value_in_any_field_is_drawn(seed, link, size, options, now_ns, paused):
    """This holds for any size, symbols and connection, paused or not."""
    feed = msgspec.structs.replace(link, snapshot=snapshot_of(seed))
    view = View(
        feed, now_ns or 0, msgspec.structs.replace(link, snapshot=snapshot_of(seed + 1)) if paused else None
    )
    check(view, size, options)
    assert len(frame_rows(view, *size, options)) <= size[1]
    assert to_json(feed.snapshot)


@settings(max_examples=25, deadline=None)
@given(SEEDS, SIZES, st.sampled_from(SYMBOL_SETS), st.integers(0, 400))
@example(seed=1, size=(1, 1), symbols="ascii", cursor=0)
def test_any_value_in_any_field_is_drawn_in_every_opened_panel(seed, size, symbols, cursor):
    """The list of runs is included; the cursor may be anywhere."""
    feed = Feed(snapshot=snapshot_of(seed), runs=WORDS)
    for panel in (*PAGES, RUNS):
        check(View(feed, 0), size, ViewOptions(symbols=symbols, opened=panel, cursor=cursor))


def test_the_generated_values_are_hostile():
    """Every number of the learner is NaN, infinite and huge with both signs at least once, and None if
    allowed.
    """
    seen = defaultdict(set)
    for seed in range(250):
        hostile = Hostile(seed)
        hostile.make(SNAPSHOT)
        for path, values in hostile.seen.items():
            seen[path] |= values
    fields = {field.name: field.type for field in inspect.type_info(TamiyoState).fields}
    numbers = {
        name
        for name, kind in fields.items()
        if "FloatType" in repr(kind) and not any(many in repr(kind) for many in ("Tuple", "Dict"))
    }

    assert len(numbers) > 100
    for name in numbers:
        assert {"nan", "inf", "-inf", "1e+300", "-1e+300"} <= seen[f".tamiyo.{name}"], name
        assert "NoneType" not in repr(fields[name]) or "None" in seen[f".tamiyo.{name}"]
    assert {".link.gaps", ".ranks[].updates", ".decisions[].decision.confidences{}"} <= set(seen)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 130), st.integers(1, 40))
def test_every_panel_stays_within_its_height(seed, width, height):
    """This holds for any content, before the frame cuts it."""
    view = View(Feed(snapshot=snapshot_of(seed)), 0)
    for panel in PANELS.values():
        assert len(panel.rows(view, width, height)) <= height


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(SEEDS, LINKS, LINKS, MOMENTS, st.integers(1, 130), st.integers(1, 40))
def test_a_panel_reads_nothing_but_its_snapshot(seed, link, other, now_ns, width, height):
    """Neither the connection nor the time changes it, so that any past snapshot can be drawn."""
    snapshot, newest = snapshot_of(seed), msgspec.structs.replace(other, snapshot=snapshot_of(seed + 1))
    here = View(msgspec.structs.replace(link, snapshot=snapshot), 0)
    elsewhere = View(msgspec.structs.replace(other, snapshot=snapshot), now_ns or 0, newest)
    for name, panel in PANELS.items():
        if name in TIME_DEPENDENT:
            continue
        assert panel.rows(here, width, height) == panel.rows(elsewhere, width, height)
        assert panel.note(here) == panel.note(elsewhere)
        said = (opened_rows(view, name, height, width, height) for view in (here, elsewhere))
        assert next(said) == next(said)


def test_only_the_link_and_the_age_of_a_checkpoint_depend_on_time():
    """LINK shows the state of the connection with any snapshot."""
    assert {name for name, panel in PANELS.items() if panel.depends_on_time} == TIME_DEPENDENT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["waiting", "critical"])
def test_every_width_and_every_height_is_drawn(feeds, now, name):
    """The critical feed covers each width up to 300 and each height up to 100, the waiting one a sample."""
    for width in range(1, 301, 1 if name == "critical" else 7):
        check(View(feeds[name], now), (width, 1 + width * 7 % 100), ViewOptions())
