"""The public API, name by name: a change here affects the programs of users."""

import ast
import inspect
import re
import subprocess
import sys
import textwrap

import pytest

import esper_lite

API = """
Annotated(text: str, who: str = '', update: int | None = None)
AnomalyDetected(update: int, anomaly: str, severity: Literal['warning', 'critical'], metric: str = '',
    value: float | None = None, threshold: float | None = None, head: str | None = None, detail: str = '')
CheckpointSaved(update: int, path: str, duration_ms: float | None = None)
Damaged(EsperError)
DecisionMade(update: int, environment: int, step: int, choices: dict[str, int], confidences: dict[str,
    float], value: float | None = None, reward: float | None = None)
EmitterReport(*, emitted: int = 0, spooled: int = 0, acknowledged: int = 0, dropped: int = 0, held: int = 0,
    errors: int = 0, left_out: int = 0, spool: str = '', problem: str = '')
EpisodeCompleted(environment: int, episode: int, episode_return: float, length: int | None = None, accuracy:
    float | None = None, fossilized: int | None = None)
EsperError(Exception)
Event(*)
EventsDropped(count: int, first_ns: int, last_ns: int, by_kind: dict[str, int] = {})
Finding(*, rule: str, severity: Severity, title: str, head: str | None = None, since_update: int = 0,
    evidence: tuple[Evidence, ...] = (), advice: tuple[str, ...] = (), metrics: tuple[str, ...] = ())
HeadGradientsCompared(update: int, heads: tuple[str, ...], norms: tuple[float, ...], cosines: tuple[float,
    ...])
HeadMeasures(*, entropy: m.HeadEntropy = None, entropy_legal: m.HeadEntropyLegal = None, relevance:
    m.HeadRelevance = None, ratio_max: m.HeadRatioMax = None, ratio_min: m.HeadRatioMin = None, grad_norm:
    m.HeadGradNorm = None, kl_divergence: m.HeadKL = None, clip_fraction: m.HeadClipFraction = None,
    learnable_fraction: m.HeadLearnableFraction = None, std: m.HeadStd = None)
HeadSpec(name: str, size: int | None = None, entropy_coefficient: float = 1.0, choices: tuple[str, ...] =
    ())
InvalidArgument(EsperError)
LayerGradientsSampled(update: int, grad_norms: dict[str, float], magnitude_bounds: tuple[float, ...] = (),
    magnitudes: dict[str, tuple[int, ...]] = {})
LogRecorded(level: Literal['debug', 'info', 'warning', 'error', 'critical'], message: str, fields: dict[str,
    str | int | float | bool | None] = {})
Mark(*, place: Place, kind: MarkKind, title: str, severity: Literal['notice', 'warning', 'critical'] | None
    = None, rule: str = '')
MetricDefined(metric: MetricSpec)
MetricSeries(metric: str, axis: Axis, x: 'memoryview[float]', mean: 'memoryview[float]', minimum:
    'memoryview[float]', maximum: 'memoryview[float]', last: 'memoryview[float]', measured:
    'memoryview[int]', not_finite: 'memoryview[int]')
MetricSpec(*, name: str, unit: str = '', meaning: str = '', critical_below: float | None = None,
    warning_below: float | None = None, warning_above: float | None = None, critical_above: float | None =
    None, good: Literal['rising', 'falling', 'neither'] = 'neither', precision: int = 3, over_ranks:
    Literal['mean', 'max', 'min', 'sum'] = 'mean')
NumericalInstabilityReported(update: int, nan_count: int, inf_count: int, where: tuple[str, ...] = (),
    grad_norm_pre_clip: float | None = None)
PPOUpdateCompleted(update: int, payload: PPOUpdatePayload)
PPOUpdatePayload(...)
Place(events: int, update: int | None = None, time_ns: int | None = None)
RatioExplosionDiagnosed(update: int, head: str, ratios: tuple[float, ...], steps: tuple[int, ...],
    environments: tuple[int, ...], actions: tuple[int, ...])
Record(*, run: str, producer: str, epoch: int, seq: int, emitted_ns: int, received_ns: int, event:
    DecodedEvent)
Refused(EsperError)
RolloutCompleted(update: int, env_steps: int | None = None, env_steps_total: int | None = None,
    steps_per_second: float | None = None, duration_ms: float | None = None, mean_return: float | None =
    None, std_return: float | None = None, mean_accuracy: float | None = None, stage_counts: tuple[int, ...]
    = (), rollbacks: int | None = None, returns_not_finite: int | None = None, mean_length: float | None =
    None)
Run.path: Path | None
Run.name: str
Run.started: RunStarted | None
Run.config: dict[str, str | int | float | bool | None]
Run.records() -> Iterator[Record]
Run.snapshot(at: int | None=None) -> SanctumSnapshot
Run.at(*, update: int | None=None, event: int | None=None, time: float | datetime | None=None) ->
    SanctumSnapshot
Run.series(metric: str, *, first: float | None=None, last: float | None=None, points: int=MOST_POINTS, x:
    Axis='update') -> MetricSeries
Run.marks() -> tuple[Mark, ...]
Run.findings() -> tuple[Finding, ...]
RunExists(EsperError)
RunFinished(outcome: Literal['completed', 'interrupted', 'failed'], updates: int, reason: str = '')
RunStarted(task: str, episodes: int | None = None, environments: int | None = None, horizon: int | None =
    None, seed: int | None = None, device: str = '', rank: int = 0, world_size: int = 1, host: str = '',
    pid: int | None = None, version: str = '', clip_range: float | None = None, target_kl: float | None =
    None, baseline_return: float | None = None, resumed_from: int | None = None, config: dict[str, str | int
    | float | bool | None] = {}, heads: tuple[HeadSpec, ...] = (), thresholds: str = '', excerpt: str = '')
SanctumSnapshot(...)
ScalarsLogged(values: dict[str, OwnScalar], step: int | None = None, source: str = '')
SeedStageChanged(update: int, environment: int, step: int, slot: int, from_stage: int, to_stage: int,
    blueprint: int | None = None, alpha: float | None = None, contribution: float | None = None)
StorageError(EsperError)
Subscription.position: int
Subscription.__iter__() -> Iterator[Record]
Subscription.__next__() -> Record
Subscription.close() -> None
Subscription.__enter__() -> 'Subscription'
Telemetry.enabled: bool
Telemetry.updates: int
Telemetry.stats: EmitterReport
Telemetry.emit(event: Event | PPOUpdatePayload) -> None
Telemetry.log(values: Mapping[str, Any], step: int | None=None, time: float | None=None) -> None
Telemetry.define(name: str, **description: Any) -> None
Telemetry.close(outcome: Outcome='completed', reason: str='', timeout: float=CLOSE_S) -> EmitterReport
Telemetry.__enter__() -> 'Telemetry'
TelemetryEscalated(update: int, level: int, until_update: int, reason: str = '')
Undecodable(reason: str, raw: bytes)
Unknown(kind: str, raw: bytes)
Unreachable(EsperError)
VitalsSampled(cpu_share: float | None = None, memory_bytes: int | None = None, gpu_share: float | None =
    None, gpu_memory_bytes: int | None = None, gpu_memory_peak_bytes: int | None = None)
connect(run: str | None=None, *, started: RunStarted | None=None, runs_dir: Path | str | None=None,
    aggregator: bool | str | None=None, keys: Path | str | None=None, producer: str | None=None, rank: int |
    None=None, world_size: int | None=None, resume: bool=False, spool_quota: int | str | None=None, enabled:
    bool=True, thresholds: Path | str | None=None) -> Telemetry
open_run(source: Path | str, *, run: str | None=None, keys: Path | str | None=None) -> Run
subscribe(source: str | Path | None=None, *, kinds: Collection[type[Event] | str] | type[Event] | str |
    None=None, run: str | None=None, start: int | None=0, timeout: float | None=None, keys: str | Path |
    None=None) -> Subscription
"""

DOCUMENTED_ELSEWHERE = {"PPOUpdatePayload", "SanctumSnapshot"}
"""Their fields are those of docs/reference/metrics.md, and those of a screen."""


def definition(name):
    """The syntax tree of a function or class, which does not depend on the version of Python."""
    return ast.parse(textwrap.dedent(inspect.getsource(getattr(esper_lite, name)))).body[0]


def function(node, prefix=""):
    """A function or property as one line; `self` is left out."""
    if any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list):
        return f"{prefix}{node.name}: {ast.unparse(node.returns)}"
    node.args.args = [argument for argument in node.args.args if argument.arg != "self"]
    return f"{prefix}{node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"


def is_public(node):
    """Whether a method is for users; a constructor is not, since functions make the objects."""
    return not node.name.startswith("_") or node.name in ("__enter__", "__iter__", "__next__")


def described(name):
    """The signature of a name, and those of its methods, in lines."""
    node = definition(name)
    if isinstance(node, ast.FunctionDef):
        return [function(node)]
    if name in DOCUMENTED_ELSEWHERE:
        return [f"{name}(...)"]
    bases = ", ".join(map(ast.unparse, node.bases))
    if name.endswith("Error") or bases == "EsperError":
        return [f"{name}({bases})"]
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef) and is_public(item)]
    keywords_only = ["*"] if any(keyword.arg == "kw_only" for keyword in node.keywords) else []
    fields = keywords_only + [ast.unparse(item) for item in node.body if isinstance(item, ast.AnnAssign)]
    return [function(method, f"{name}.") for method in methods] or [f"{name}({', '.join(fields)})"]


def test_every_name_has_the_signature_that_users_rely_on():
    """A difference is a change of the API: it must be in the changelog and must not break programs."""
    found = [line for name in esper_lite.__all__ for line in described(name)]

    assert found == re.sub(r"\n +", " ", API.strip()).splitlines()


def test_every_name_can_be_imported_and_listed():
    """This includes `from esper_lite import *` and `dir`."""
    names = {}
    exec("from esper_lite import *", names)

    assert set(names) - {"__builtins__"} == set(esper_lite.__all__)
    assert set(dir(esper_lite)) == {"__version__", *esper_lite.__all__}
    assert [name for name in esper_lite.__all__ if getattr(esper_lite, name).__name__ != name] == []
    assert esper_lite.__all__ == sorted(esper_lite.__all__)


def test_an_unknown_name_is_an_attribute_error():
    """The message is that of any module."""
    with pytest.raises(AttributeError, match="module 'esper_lite' has no attribute 'conect'"):
        esper_lite.conect  # noqa: B018


@pytest.mark.process
@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("import esper_lite", {"zmq", "mcap", "torch", "msgspec", "structlog"}),
        ("from esper_lite import PPOUpdatePayload, RunStarted, EsperError", {"zmq", "mcap", "torch"}),
        ("from esper_lite import open_run", {"zmq", "torch", "esper_aggregator"}),
        ("from esper_lite import connect, subscribe", {"torch", "numpy", "esper_aggregator", "textual"}),
    ],
)
def test_a_program_loads_only_what_it_uses(program, heavy):
    """Sockets, files and the fold are imported with the names that need them."""
    probe = f"{program}\nimport sys\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
