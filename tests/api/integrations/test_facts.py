"""Settings of a library as the start of a run."""

from pathlib import Path

import pytest

from esper_lite import RunStarted
from esper_lite.integrations.facts import facts_from, merged, settings_of_table

CLEANRL = {
    "env_id": "CartPole-v1", "seed": 1, "num_envs": 4, "num_steps": 128, "total_timesteps": 10_000,
    "clip_coef": 0.2, "target_kl": None, "learning_rate": 2.5e-4, "anneal_lr": True,
}  # fmt: skip


def test_settings_of_cleanrl_are_the_start_of_a_run():
    """The number of updates follows from the steps."""
    started = facts_from(CLEANRL)

    assert (started.task, started.seed, started.environments, started.horizon) == ("CartPole-v1", 1, 4, 128)
    assert (started.episodes, started.clip_range, started.target_kl) == (19, 0.2, None)
    assert started.config == CLEANRL


def test_nested_settings_are_found_by_their_last_name():
    """An outer setting counts before an inner one of the same name."""
    settings = {
        "seed": 7,
        "algorithm": {"clip_param": 0.1, "target_kl": 0.01, "seed": 8},
        "num_steps_per_env": 24,
    }
    started = facts_from(settings, task="walker")

    assert (started.task, started.seed, started.horizon) == ("walker", 7, 24)
    assert (started.clip_range, started.target_kl) == (0.1, 0.01)
    assert started.config["algorithm.target_kl"] == 0.01


@pytest.mark.parametrize("value", ["many", None, float("nan"), float("inf"), object(), [], True, 10**400])
def test_a_setting_that_is_not_a_number_is_not_a_fact(value):
    """It stays in the settings."""
    started = facts_from({"seed": value, "clip_range": value if value != 10**400 else "x"}, task="t")

    assert started.seed is None
    assert "seed" in started.config


def test_what_a_program_states_replaces_facts():
    """Settings of both are kept."""
    facts = RunStarted(task="found", environments=4, config={"a": 1, "b": 1})
    given = RunStarted(task="stated", config={"b": 2, "path": Path("x")})

    assert merged(None, facts) == facts
    assert merged(given, facts) == RunStarted(
        task="stated", environments=4, config={"a": 1, "b": 2, "path": Path("x")}
    )


def test_a_table_of_settings_is_read():
    """CleanRL logs its settings as a Markdown table."""
    rows = "\n".join(f"|{name}|{value}|" for name, value in CLEANRL.items())

    assert settings_of_table(f"|param|value|\n|-|-|\n{rows}") == CLEANRL


@pytest.mark.parametrize("text", ["", "a text", "|", "|a|b|", "|||||\n||||", "|param|value|\n|-|-|"])
def test_another_text_has_no_settings(text):
    """Such texts are lines of the log."""
    assert settings_of_table(text) == {}
