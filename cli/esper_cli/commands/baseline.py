"""`esper baseline`: what scripted policies return, to measure learning against."""

import importlib.util
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated

from esper_cli.options.command import Command
from esper_cli.options.option import Json, Option, SettingsOf
from esper_cli.output.command_failure import CommandError
from esper_cli.output.echo import echo, echo_json
from esper_schemas.settings import SettingValue
from esper_trainer.config import TrainingConfig

if TYPE_CHECKING:
    from esper_trainer.environments.morph.scripted_baselines import BaselineResult

_COLUMNS = f"{'policy':<10}{'mean return':>12}{'± seeds':>9}{'± episodes':>12}{'accuracy':>10}"


@dataclass(frozen=True, kw_only=True)
class BaselineOptions:
    """Measure the return of scripted policies, which a trained policy should exceed.

    Every policy runs one episode of every environment for each seed.
    """

    settings: Annotated[
        Mapping[str, SettingValue], SettingsOf(TrainingConfig, only=("environments", "preset", "device"))
    ] = field(default_factory=dict)
    seeds: Annotated[int, Option("number of seeds, counted from 0", "task", minimum=1)] = 5
    json: Json = False


def run(options: BaselineOptions) -> int:
    """Run every scripted policy with every seed and print its returns."""
    if importlib.util.find_spec("torch") is None:
        raise CommandError("baselines need torch; install it with: pip install 'esper-lite[trainer]'")
    try:
        results = _measure(TrainingConfig(**options.settings), options.seeds)  # type: ignore[arg-type]
    except RuntimeError as error:  # raised by torch if memory is exhausted
        reason = str(error).splitlines()[0]
        raise CommandError(f"the baselines cannot be run ({reason}); choose fewer --envs") from error
    if options.json:
        echo_json(
            {name: [asdict(result) for result in by_seed] for name, by_seed in results.items()}, indent=2
        )
    else:
        _print(results)
    return 0


def _measure(config: TrainingConfig, seeds: int) -> "dict[str, list[BaselineResult]]":
    from esper_trainer.device.devices import resolve_device, set_thread_count
    from esper_trainer.environments.morph.scripted_baselines import BASELINES, run_baseline

    set_thread_count(config.torch_threads)
    device = resolve_device(config.device)
    return {
        name: [run_baseline(name, config.environments, config.size, seed, device) for seed in range(seeds)]
        for name in BASELINES
    }


def _print(results: "dict[str, list[BaselineResult]]") -> None:
    echo(_COLUMNS)
    for name, by_seed in results.items():
        returns = [result.mean_return for result in by_seed]
        spread = statistics.pstdev(returns)
        within = statistics.fmean(result.return_deviation for result in by_seed)
        accuracy = statistics.fmean(result.mean_accuracy for result in by_seed)
        echo(f"{name:<10}{statistics.fmean(returns):>12.3f}{spread:>9.3f}{within:>12.3f}{accuracy:>10.3f}")


COMMAND = Command(BaselineOptions, run)
