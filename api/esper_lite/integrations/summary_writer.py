"""A look-alike of `torch.utils.tensorboard.SummaryWriter` that records a run instead of writing event files.

    from esper_lite.integrations.summary_writer import SummaryWriter

    writer = SummaryWriter("runs/cartpole")
    writer.add_scalar("losses/approx_kl", 0.003, global_step)

It needs neither torch nor TensorBoard. To keep TensorBoard's files as well, see `mirror_tensorboard`.
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from esper_lite.integrations.logged_run import LoggedRun
from esper_lite.integrations.recording import Recording
from esper_lite.launch import name_from

_ARGUMENTS_OF_FILES = ("purge_step", "max_queue", "flush_secs", "filename_suffix")


class SummaryWriter:
    """Records scalars, texts and hyper-parameters of a program; accepts and counts everything else.

    log_dir: the directory of the run, whose last part is its name; by default the run is named after its
    task or the program. With `$ESPER_RUNS_DIR` or `runs_dir` only the name counts. options: the keywords of
    `esper_lite.connect`, and those of TensorBoard's writer, which have no effect.

    The run begins with the first scalar, and what was added before describes it. It ends with `close`, or
    with the program. No method raises an exception.
    """

    def __init__(self, log_dir: str | Path | None = None, comment: str = "", **options: Any) -> None:
        for name in _ARGUMENTS_OF_FILES:
            options.pop(name, None)
        run: Any = options.pop("run", None)
        if log_dir is not None:
            self.log_dir = str(log_dir)
            run = run or name_from(Path(log_dir).name + comment)
            if not os.environ.get("ESPER_RUNS_DIR"):
                options.setdefault("runs_dir", Path(log_dir).parent)
        else:
            self.log_dir = ""
        self._run = LoggedRun(Recording(run, options, "SummaryWriter", reports_end=False), task=run or "")

    @property
    def ignored(self) -> dict[str, int]:
        """How often each method was called whose data is not recorded, such as `add_histogram`."""
        return self._run.ignored

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        *_: Any,
        **__: Any,
    ) -> None:
        """Record a number under its tag; `walltime` is in seconds since 1970."""
        self._run.values({tag: scalar_value}, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Record several numbers as `main_tag/tag`."""
        values = {f"{main_tag}/{tag}": value for tag, value in tag_scalar_dict.items()}
        self._run.values(values, global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any] | None = None,
        *_: Any,
        **keywords: Any,
    ) -> None:
        """Record settings of the run, and the metrics that resulted."""
        self._run.settings(hparam_dict)
        if metric_dict:
            self._run.values(metric_dict, keywords.get("global_step"))

    def add_text(self, tag: str, text_string: str, *_: Any, **__: Any) -> None:
        """Record a line of the log; a Markdown table with two columns has the settings of the run."""
        self._run.text(tag, str(text_string))

    def get_logdir(self) -> str:
        """Return `log_dir` as it was given."""
        return self.log_dir

    def flush(self) -> None:
        """Do nothing: what was added is written soon after."""

    def close(self) -> None:
        """End the run: completed, or failed if an exception is being handled."""
        self._run.finish(sys.exception())

    def __enter__(self) -> "SummaryWriter":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._run.finish(error)

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a method that counts its calls, for everything else that can be added."""
        if not name.startswith("add_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def ignore(*_: Any, **__: Any) -> None:
            """Count the call."""
            self._run.ignore(name)

        return ignore
