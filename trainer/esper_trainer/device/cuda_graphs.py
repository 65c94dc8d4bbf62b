"""Work that is recorded once as a CUDA graph and replayed from then on, with one launch instead of hundreds.

Such work reads and writes tensors that stay where they are, draws from generators that are registered with
the graph, and never asks the device for anything; `tests/trainer/test_capture.py` holds it to that. Where
there is no CUDA, or where it was not asked for, a replay is the work itself, on the same tensors.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch

WARM_UP = 2
"""How often work runs before it is recorded; libraries choose their kernels and allocate meanwhile."""

Result = TypeVar("Result")
Told = Callable[[str], None]


def tell_nobody(reason: str) -> None:
    """For who does not care why."""
    del reason


class GraphRecorder:
    """Makes work replayable on one device; `told` hears, in one sentence, why something is not recorded.

    wanted: whether to record at all. refusal: why nothing can be recorded, if so.
    """

    def __init__(
        self, device: torch.device, told: Told = tell_nobody, *, wanted: bool = True, refusal: str = ""
    ) -> None:
        self._records = wanted and device.type == "cuda"
        self._told, self._refusal = told, refusal
        self._made: list[RecordedGraph[Any]] = []

    def replayable(
        self, name: str, work: Callable[[], Result], generators: Sequence[torch.Generator] = ()
    ) -> Callable[[], Result]:
        """The work, or what replays it: every call returns its results, which the next one may overwrite.

        generators: all that the work draws from.
        """
        if not self._records:
            return work
        recorded = RecordedGraph(name, work, generators, self._told, self._refusal, self._refuse)
        self._made.append(recorded)
        return recorded

    def _refuse(self, reason: str) -> None:
        """Replay and record nothing any more: other graphs draw from what a failed recording has spoilt."""
        for recorded in self._made:
            recorded.refuse(reason)


NO_RECORDER = GraphRecorder(torch.device("cpu"))


class RecordedGraph(Generic[Result]):
    """Runs work a few times, records it, and replays the record; or goes on running it and says why.

    failed: hears why a recording failed, in which the generators were replaced.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], Result],
        generators: Sequence[torch.Generator] = (),
        told: Told = tell_nobody,
        refusal: str = "",
        failed: Told = tell_nobody,
    ) -> None:
        self._name, self._work, self._generators, self._told = name, work, generators, told
        self._refusal, self._failed = refusal, failed
        self._runs, self._runs_plainly = 0, False
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._attempt: torch.cuda.CUDAGraph | None = None
        self._results: Result

    def __call__(self) -> Result:
        """Do the work once."""
        if self._graph is not None:
            self._graph.replay()
            return self._results
        if not self._runs_plainly:
            self._prepare()
        if self._stream is None:
            return self._work()
        self._runs += 1
        return self._beside(self._stream) if self._runs <= WARM_UP else self._recorded(self._stream)

    def _prepare(self) -> None:
        """See that there is a stream to record on."""
        if self._refusal:
            self._give_up(self._refusal)
        elif self._stream is None:
            try:
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            except (RuntimeError, AssertionError) as error:
                self._give_up(why(error))

    def _beside(self, stream: torch.cuda.Stream) -> Result:
        """Run the work on the stream that it will be recorded on, between what is before and after it."""
        current = torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            results = self._work()
        current.wait_stream(stream)
        return results

    def _recorded(self, stream: torch.cuda.Stream) -> Result:
        """Record the work, which does not run it, and replay it; or run it, if it cannot be recorded."""
        spares = [generator.clone_state() for generator in self._generators]
        try:
            self._record(stream)
        except Exception as error:
            _replace_states(self._generators, spares)
            reason = why(error)
            self._give_up(reason)
            self._failed(reason)
        if self._graph is None:
            return self._work()
        self._graph.replay()
        return self._results

    def _record(self, stream: torch.cuda.Stream) -> None:
        """Make the graph. One whose recording fails is kept: the allocator goes on asking it what is its."""
        self._attempt = graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        # The outer context brings the current stream back, which a recording that cannot be ended leaves.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, stream=stream):
            self._results = self._work()
        self._graph = graph

    def refuse(self, reason: str) -> None:
        """Neither replay nor record from now on; it is told where the work is done next."""
        self._graph, self._refusal = None, reason

    def _give_up(self, reason: str) -> None:
        self._runs_plainly, self._stream = True, None
        self._told(f"The {self._name} is not replayed as a CUDA graph but launched step by step: {reason}")


def _replace_states(generators: Sequence[torch.Generator], spares: Sequence[torch.Generator]) -> None:
    """Let generators go on from copies of their states that were made before a recording.

    Where a recording cannot be ended, torch leaves their own states in the middle of it, and every later
    draw is refused ("Offset increment outside graph capture", pytorch/pytorch#171263).
    """
    for generator, spare in zip(generators, spares, strict=True):
        generator.graphsafe_set_state(spare)


def why(error: BaseException) -> str:
    """What went wrong first, in one line, where one error led to another."""
    while error.__context__ is not None:
        error = error.__context__
    return (str(error).strip() or type(error).__name__).splitlines()[0]
