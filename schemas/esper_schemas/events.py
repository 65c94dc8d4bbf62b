"""The events of a run: past-tense facts, immutable, one tagged union.

Fields are only added, with a default, and never change their type, so that old logs stay readable. An encoded
event is a msgpack map with its class name under "type".
"""

from typing import Literal, TypeAlias, get_args

import msgspec

from esper_schemas.declarations import HeadSpec, MetricSpec
from esper_schemas.metrics import OwnScalar
from esper_schemas.payload import PPOUpdatePayload


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Something that happened in a training run.

    Every number is of the process that emits the event, which is one rank of its run: what it did in its own
    environments. The fold merges the ranks.
    """


class RunStarted(Event, frozen=True):
    """A trainer process started or resumed its part of a run.

    `episodes` is the number of planned PPO updates, `horizon` the number of steps per episode, `environments`
    the number of environments of this process (in version 0.1: of all ranks).
    `baseline_return` is the mean episode return of always choosing WAIT in the same environments.
    `resumed_from` is the update of the checkpoint from which it resumed; events of later updates are emitted
    again. `heads` are the policy's own action heads; none means those of Tamiyo. `thresholds` is a TOML text
    (`esper_schemas.rules.thresholds`) with bounds by which the run is judged; an empty one keeps those that
    it has. `excerpt` describes what the recording leaves out, if it was cut out of that of another run.
    """

    task: str
    episodes: int | None = None
    environments: int | None = None
    horizon: int | None = None
    seed: int | None = None
    device: str = ""
    rank: int = 0
    world_size: int = 1
    host: str = ""
    pid: int | None = None
    version: str = ""
    clip_range: float | None = None
    target_kl: float | None = None
    baseline_return: float | None = None
    resumed_from: int | None = None
    config: dict[str, str | int | float | bool | None] = {}
    heads: tuple[HeadSpec, ...] = ()
    thresholds: str = ""
    excerpt: str = ""


class PPOUpdateCompleted(Event, frozen=True):
    """A PPO update was completed; `update` counts from 1 over the whole run."""

    update: int
    payload: PPOUpdatePayload


class RolloutCompleted(Event, frozen=True):
    """One episode of every environment was collected, as the data of update `update`.

    Returns are undiscounted sums of rewards; `mean_return` and `mean_length`, in steps, are None while no
    episode has ended.
    `stage_counts` counts slots by `Stage` at the end, `rollbacks` the hosts that were rolled back because
    their loss exploded or was NaN, and `returns_not_finite` the environments whose return is not finite.
    """

    update: int
    env_steps: int | None = None
    env_steps_total: int | None = None
    steps_per_second: float | None = None
    duration_ms: float | None = None
    mean_return: float | None = None
    std_return: float | None = None
    mean_accuracy: float | None = None
    stage_counts: tuple[int, ...] = ()
    rollbacks: int | None = None
    returns_not_finite: int | None = None
    mean_length: float | None = None


class EpisodeCompleted(Event, frozen=True):
    """One environment finished one episode, after `length` steps."""

    environment: int
    episode: int
    episode_return: float
    length: int | None = None
    accuracy: float | None = None
    fossilized: int | None = None


class DecisionMade(Event, frozen=True):
    """The policy chose an action in a watched environment; only relevant heads are included.

    `choices` has the chosen index per head, `confidences` its probability.
    """

    update: int
    environment: int
    step: int
    choices: dict[str, int]
    confidences: dict[str, float]
    value: float | None = None
    reward: float | None = None


class SeedStageChanged(Event, frozen=True):
    """A seed entered another stage of its lifecycle; stages and blueprint are indices of their enums."""

    update: int
    environment: int
    step: int
    slot: int
    from_stage: int
    to_stage: int
    blueprint: int | None = None
    alpha: float | None = None
    contribution: float | None = None


class AnomalyDetected(Event, frozen=True):
    """The trainer's anomaly detector found a metric beyond a threshold."""

    update: int
    anomaly: str
    severity: Literal["warning", "critical"]
    metric: str = ""
    value: float | None = None
    threshold: float | None = None
    head: str | None = None
    detail: str = ""


class TelemetryEscalated(Event, frozen=True):
    """The trainer raised its telemetry level, up to and including update `until_update`."""

    update: int
    level: int
    until_update: int
    reason: str = ""


class RatioExplosionDiagnosed(Event, frozen=True):
    """The transitions whose probability ratios of a head moved furthest, as parallel tuples.

    First those that became more probable, then those that became less so; the furthest first.
    """

    update: int
    head: str
    ratios: tuple[float, ...]
    steps: tuple[int, ...]
    environments: tuple[int, ...]
    actions: tuple[int, ...]


class NumericalInstabilityReported(Event, frozen=True):
    """Where non-finite values were found, and the gradient norm before clipping."""

    update: int
    nan_count: int
    inf_count: int
    where: tuple[str, ...] = ()
    grad_norm_pre_clip: float | None = None


class LayerGradientsSampled(Event, frozen=True):
    """The gradient norm of each named parameter, and a histogram of its entries.

    `magnitudes` counts a parameter's entries: below the first of `magnitude_bounds`, between consecutive
    bounds, from the last bound on, and those that are not finite.
    """

    update: int
    grad_norms: dict[str, float]
    magnitude_bounds: tuple[float, ...] = ()
    magnitudes: dict[str, tuple[int, ...]] = {}


class VitalsSampled(Event, frozen=True):
    """The resource usage of the trainer process; memory in bytes, shares between 0 and 1.

    `gpu_share` is the share of the last moments in which the GPU was busy, with any program.
    """

    cpu_share: float | None = None
    memory_bytes: int | None = None
    gpu_share: float | None = None
    gpu_memory_bytes: int | None = None
    gpu_memory_peak_bytes: int | None = None


class CheckpointSaved(Event, frozen=True):
    """The trainer wrote a checkpoint from which the run can be resumed, in `duration_ms`."""

    update: int
    path: str
    duration_ms: float | None = None


class LogRecorded(Event, frozen=True):
    """A message of the trainer's own log."""

    level: Literal["debug", "info", "warning", "error", "critical"]
    message: str
    fields: dict[str, str | int | float | bool | None] = {}


class EventsDropped(Event, frozen=True):
    """Events were lost because neither the disk nor memory had room; times in nanoseconds since 1970."""

    count: int
    first_ns: int
    last_ns: int
    by_kind: dict[str, int] = {}


class RunFinished(Event, frozen=True):
    """A trainer process ended its part of a run; not emitted by a process that was killed."""

    outcome: Literal["completed", "interrupted", "failed"]
    updates: int
    reason: str = ""


class HeadGradientsCompared(Event, frozen=True):
    """Whether the gradients of the heads agree in the trunk that they share.

    For each head, the norm of its part of the loss's gradient with respect to the trunk's output, and the
    cosine of each pair of parts, in the order of `itertools.combinations(heads, 2)`. The critic's part is
    named "value". Heads without a gradient are omitted.
    """

    update: int
    heads: tuple[str, ...]
    norms: tuple[float, ...]
    cosines: tuple[float, ...]


class ScalarsLogged(Event, frozen=True):
    """Values that a training program logged in one call, under the names that it uses.

    The fold joins the calls of one `step` to one update, and translates names by `esper_schemas.aliases`.
    Without a step, a call belongs to the update before, until a name is repeated. `source` identifies the
    file from which an importer read the values; the number of its values in the run is its position there.
    """

    values: dict[str, OwnScalar]
    step: int | None = None
    source: str = ""


class MetricDefined(Event, frozen=True):
    """The run described a metric of its own; the latest description of a name is valid."""

    metric: MetricSpec


class Annotated(Event, frozen=True):
    """A person wrote a note about the run; `update` is the one that it is about, None for the run itself."""

    text: str
    who: str = ""
    update: int | None = None


KnownEvent: TypeAlias = (
    RunStarted
    | PPOUpdateCompleted
    | RolloutCompleted
    | EpisodeCompleted
    | DecisionMade
    | SeedStageChanged
    | AnomalyDetected
    | TelemetryEscalated
    | RatioExplosionDiagnosed
    | NumericalInstabilityReported
    | LayerGradientsSampled
    | VitalsSampled
    | CheckpointSaved
    | LogRecorded
    | EventsDropped
    | RunFinished
    | HeadGradientsCompared
    | ScalarsLogged
    | MetricDefined
    | Annotated
)
"""Every kind of event that this version knows, in the order in which they were added.

The union is closed: a `match` over it that ends in `assert_never` type-checks only if it handles them all.
"""

EVENT_TYPES: tuple[type[Event], ...] = get_args(KnownEvent)
"""The same as a tuple of classes."""


class Unknown(msgspec.Struct, frozen=True):
    """An event of a kind that this version does not know; it is kept, counted and shown."""

    kind: str
    raw: bytes


class Undecodable(msgspec.Struct, frozen=True):
    """Bytes that are not an event; they are kept, counted as rejected, and never folded."""

    reason: str
    raw: bytes


DecodedEvent: TypeAlias = KnownEvent | Unknown | Undecodable
"""What the bytes of an event decode to."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its identity `(run, producer, epoch, seq)` and its two times.

    Times are nanoseconds since 1970: `emitted_ns` by the producer's clock, `received_ns` by the
    aggregator's (equal to `emitted_ns` if the event was read from a spool).
    """

    run: str
    producer: str
    epoch: int
    seq: int
    emitted_ns: int
    received_ns: int
    event: DecodedEvent
