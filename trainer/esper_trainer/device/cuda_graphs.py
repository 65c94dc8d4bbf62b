"""CUDA graph capture: a function is captured once and then replayed with one launch instead of hundreds.

A captured function reads and writes tensors that keep their memory, draws from generators that are registered
with the graph, and never synchronises with the device; `tests/trainer/device/test_cuda_graphs.py` enforces
this. Without CUDA, or if capture is disabled, the function itself is called on the same tensors.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch

WARM_UP = 2
"""Calls before a function is captured; meanwhile libraries select kernels and allocate workspaces."""

Result = TypeVar("Result")
Warn = Callable[[str], None]
"""Is called with one sentence about a degraded mode of operation."""


def ignore_warning(reason: str) -> None:
    """Discard a warning."""
    del reason


class GraphCapture:
    """Captures functions on one device.

    warn: called with one sentence if a function cannot be captured. enabled: whether to capture at all.
    refusal: the reason why nothing can be captured, if there is one.
    """

    def __init__(
        self, device: torch.device, warn: Warn = ignore_warning, *, enabled: bool = True, refusal: str = ""
    ) -> None:
        self._enabled = enabled and device.type == "cuda"
        self._warn, self._refusal = warn, refusal
        self._captured: list[CapturedGraph[Any]] = []

    def wrap(
        self, name: str, function: Callable[[], Result], generators: Sequence[torch.Generator] = ()
    ) -> Callable[[], Result]:
        """Return a callable that captures and replays `function`, or `function` if capture is disabled.

        Each call returns the results of the function; the next call may overwrite them. generators: every
        generator that the function draws from.
        """
        if not self._enabled:
            return function
        captured = CapturedGraph(name, function, generators, self._warn, self._refusal, self._disable_all)
        self._captured.append(captured)
        return captured

    def _disable_all(self, reason: str) -> None:
        """Disable every graph: a failed capture has invalidated the state of generators that they share."""
        for captured in self._captured:
            captured.disable(reason)


NO_CAPTURE = GraphCapture(torch.device("cpu"))


class CapturedGraph(Generic[Result]):
    """Calls a function `WARM_UP` times, captures it, and replays the graph; without a graph it calls the
    function.

    warn: called with the reason if the function is not captured. on_failure: called with the reason if a
    capture fails, which replaces the states of the generators.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[], Result],
        generators: Sequence[torch.Generator] = (),
        warn: Warn = ignore_warning,
        refusal: str = "",
        on_failure: Warn = ignore_warning,
    ) -> None:
        self._name, self._function, self._generators, self._warn = name, function, generators, warn
        self._refusal, self._on_failure = refusal, on_failure
        self._runs, self._eager = 0, False
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._attempt: torch.cuda.CUDAGraph | None = None
        self._results: Result

    def __call__(self) -> Result:
        """Run the function, or replay it."""
        if self._graph is not None:
            self._graph.replay()
            return self._results
        if not self._eager:
            self._open_stream()
        if self._stream is None:
            return self._function()
        self._runs += 1
        return self._run_on(self._stream) if self._runs <= WARM_UP else self._capture_and_replay(self._stream)

    def _open_stream(self) -> None:
        """Create the stream for warm-up and capture, or fall back to calling the function."""
        if self._refusal:
            self._fall_back(self._refusal)
        elif self._stream is None:
            try:
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            except (RuntimeError, AssertionError) as error:
                self._fall_back(root_cause(error))

    def _run_on(self, stream: torch.cuda.Stream) -> Result:
        """Call the function on the capture stream, synchronised with the current stream before and after."""
        current = torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            results = self._function()
        current.wait_stream(stream)
        return results

    def _capture_and_replay(self, stream: torch.cuda.Stream) -> Result:
        """Capture the function, which does not run it, and replay the graph; if capture fails, call it."""
        states = [generator.clone_state() for generator in self._generators]
        try:
            self._capture(stream)
        except Exception as error:
            _replace_states(self._generators, states)
            reason = root_cause(error)
            self._fall_back(reason)
            self._on_failure(reason)
        if self._graph is None:
            return self._function()
        self._graph.replay()
        return self._results

    def _capture(self, stream: torch.cuda.Stream) -> None:
        """Capture the graph. A failed attempt is kept alive because the allocator still refers to it."""
        self._attempt = graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        # The outer context restores the current stream, which a failed capture does not.
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, stream=stream):
            self._results = self._function()
        self._graph = graph

    def disable(self, reason: str) -> None:
        """Stop replaying and capturing; the next call reports the reason."""
        self._graph, self._refusal = None, reason

    def _fall_back(self, reason: str) -> None:
        self._eager, self._stream = True, None
        self._warn(
            f"CUDA graphs are disabled for the {self._name}; its kernels are launched one by one: {reason}"
        )


def _replace_states(generators: Sequence[torch.Generator], states: Sequence[torch.Generator]) -> None:
    """Restore generators from copies of their states that were made before a capture.

    A capture that cannot be ended leaves the registered states inside it, and every later draw fails ("Offset
    increment outside graph capture", pytorch/pytorch#171263).
    """
    for generator, state in zip(generators, states, strict=True):
        generator.graphsafe_set_state(state)


def root_cause(error: BaseException) -> str:
    """The first line of the error that started a chain of errors."""
    while error.__context__ is not None:
        error = error.__context__
    return (str(error).strip() or type(error).__name__).splitlines()[0]
