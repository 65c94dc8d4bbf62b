"""The hosts in training."""

import pytest
import torch

from esper_schemas.heads import Blueprint, Stage
from esper_trainer.environments.morph.networks.host_population import LABEL_NOISE, HostPopulation
from esper_trainer.environments.morph.presets import PRESETS
from esper_trainer.environments.morph.random_source import RandomSource
from esper_trainer.environments.morph.seeds import alpha_controller, lifecycle

CPU = torch.device("cpu")
ENVIRONMENTS = 3


def make(seed: int = 0) -> HostPopulation:
    """Three hosts of the lite preset."""
    return HostPopulation(ENVIRONMENTS, PRESETS["lite"], RandomSource(seed, CPU))


def slots_with(stage: Stage, blueprint: Blueprint, weight: float = 0.0):
    """Slot 1 of every environment in a stage, with an idle blend weight."""
    slots = lifecycle.empty(ENVIRONMENTS, CPU)
    stages, blueprints = slots.stage.clone(), slots.blueprint.clone()
    value = torch.zeros_like(slots.alpha.value)
    stages[1], blueprints[1], value[1] = int(stage), int(blueprint), weight
    blend = alpha_controller.idle(3, ENVIRONMENTS, CPU)._replace(value=value, target=value)
    return slots._replace(stage=stages, blueprint=blueprints, alpha=blend)


def plant(population: HostPopulation, blueprint: Blueprint) -> None:
    """Draw a new seed in slot 1 of every environment."""
    choice = torch.full((ENVIRONMENTS,), int(blueprint))
    population.germinate(choice >= 0, torch.ones_like(choice), choice)


def train(population: HostPopulation, slots: lifecycle.Slots) -> None:
    """What an environment step does with slots."""
    population.train(population.modes(slots), slots.is_learning)


def evaluate(population: HostPopulation, slots: lifecycle.Slots):
    """The measurement at the end of an environment step."""
    return population.evaluate(population.modes(slots))


def losses(blueprint: Blueprint, stage: Stage, weight: float, steps: int = 12):
    """Validation losses of hosts that train beside a seed which stays in one stage."""
    population, slots = make(), slots_with(stage, blueprint, weight)
    plant(population, blueprint)
    seen = []
    for _ in range(steps):
        train(population, slots)
        seen.append(evaluate(population, slots).loss)
    return torch.stack(seen)


def test_hosts_learn_without_seeds():
    """Sixty gradient steps lift a host far above chance."""
    population, slots = make(), lifecycle.empty(ENVIRONMENTS, CPU)
    before = evaluate(population, slots)
    for _ in range(60):
        train(population, slots)
    after = evaluate(population, slots)

    assert before.accuracy.mean() < 0.3
    assert after.accuracy.mean() > 0.5
    assert (after.loss < before.loss).all()
    assert (after.contribution == 0).all()


def test_labels_are_wrong_as_often_as_a_host_is_noisy():
    """Every host has its own label noise; with noise alone there is nothing to learn."""
    population, slots = make(), lifecycle.empty(ENVIRONMENTS, CPU)
    drawn = population.label_noise
    population.label_noise = torch.ones_like(drawn)
    for _ in range(60):
        train(population, slots)

    assert ((drawn > 0) & (drawn < LABEL_NOISE)).all()
    assert len(drawn.unique()) == ENVIRONMENTS
    assert evaluate(population, slots).accuracy.mean() < 0.3


@pytest.mark.parametrize(
    ("stage", "weight"),
    [(Stage.TRAINING, 0.0), (Stage.BLENDING, 0.5), (Stage.HOLDING, 1.0), (Stage.FOSSILIZED, 1.0)],
)
def test_a_noop_seed_does_not_change_a_bit_of_the_host(stage, weight):
    """A seed block without entries changes neither the host's output nor its training."""
    without = losses(Blueprint.NOOP, Stage.DORMANT, 0.0)

    assert torch.equal(losses(Blueprint.NOOP, stage, weight), without)


def test_a_training_seed_does_not_change_a_bit_of_the_host():
    """A seed in TRAINING learns without affecting the host."""
    without = losses(Blueprint.MLP, Stage.DORMANT, 0.0)

    assert torch.equal(losses(Blueprint.MLP, Stage.TRAINING, 0.0), without)


def test_a_blended_seed_changes_the_host():
    """The same seed with a weight changes the host's loss, so the two tests above can fail."""
    without = losses(Blueprint.MLP, Stage.DORMANT, 0.0)

    assert not torch.equal(losses(Blueprint.MLP, Stage.HOLDING, 1.0), without)


def test_germination_replaces_only_the_chosen_seed():
    """One slot of one environment gets a new seed; nothing else changes."""
    population = make()
    plant(population, Blueprint.MLP)
    before = population.weights.seed_inner.clone()
    where = torch.tensor([False, True, False])
    population.germinate(where, torch.tensor([0, 2, 1]), torch.full((3,), int(Blueprint.LORA)))
    changed = (population.weights.seed_inner != before).any(-1).any(-1)

    assert changed.nonzero().tolist() == [[2, 1]]
    assert (population.weights.seed_outer == 0).all()


def test_a_seed_learns_before_it_is_blended_in():
    """In TRAINING its weight is 0 and its gradient is that of the full output; a germinated seed does not
    learn."""
    population, germinated = make(), slots_with(Stage.GERMINATED, Blueprint.MLP)
    plant(population, Blueprint.MLP)
    train(population, germinated)
    rested = population.weights.seed_outer[1].abs().amax()
    train(population, slots_with(Stage.TRAINING, Blueprint.MLP))

    assert rested == 0
    assert (population.weights.seed_outer[1].abs().amax((1, 2)) > 0).all()
    assert (population.weights.seed_outer[[0, 2]] == 0).all()


def test_a_new_seed_inherits_nothing_from_the_previous_one():
    """Its outer weights and its momentum are 0."""
    population, slots = make(), slots_with(Stage.HOLDING, Blueprint.MLP, 1.0)
    plant(population, Blueprint.MLP)
    train(population, slots)
    before = [
        population.momentum.seed_inner[1].abs().amax(),
        population.momentum.seed_outer[1].abs().amax(),
    ]
    train(population, slots)
    plant(population, Blueprint.NORM)

    assert before[1] > 0
    assert population.momentum.seed_inner[1].abs().amax() == 0
    assert population.momentum.seed_outer[1].abs().amax() == 0
    assert (population.weights.seed_outer[1] == 0).all()


def test_weights_stay_inside_their_structure():
    """After training, the entries outside the blueprint's masks are still exactly 0."""
    population, slots = make(), slots_with(Stage.HOLDING, Blueprint.CONV_SMALL, 1.0)
    plant(population, Blueprint.CONV_SMALL)
    for _ in range(10):
        train(population, slots)
    mask = population.tables.outer_mask[Blueprint.CONV_SMALL]
    outer = population.weights.seed_outer[1]

    assert (outer * (1 - mask) == 0).all()
    assert (outer * mask).abs().sum() > 0
    assert (population.weights.readout[:, :, 8:] == 0).all()


def test_actions_do_not_shift_the_random_numbers():
    """Germinating or not, the next reset draws the same hosts."""
    quiet, busy = make(), make()
    nowhere = torch.zeros(ENVIRONMENTS, dtype=torch.bool)
    choice = torch.full((ENVIRONMENTS,), int(Blueprint.MLP))
    quiet.germinate(nowhere, choice * 0, choice)
    busy.germinate(~nowhere, choice * 0, choice)
    for population in (quiet, busy):
        population.reset()

    assert torch.equal(quiet.weights.readout, busy.weights.readout)
    assert torch.equal(quiet.validation_labels, busy.validation_labels)


def test_parameter_ratio_counts_living_seeds():
    """The ratio is 0 for an embargoed seed, and parameters of seed over host for an active one."""
    population = make()
    alive = population.parameter_ratio(slots_with(Stage.TRAINING, Blueprint.MLP))
    gone = population.parameter_ratio(slots_with(Stage.EMBARGOED, Blueprint.MLP))

    torch.testing.assert_close(alive[1], 2048 / population.parameters)
    assert (alive[[0, 2]] == 0).all()
    assert (gone == 0).all()


def test_validation_subsets_have_no_duplicates():
    """A subset is drawn without replacement, one per environment."""
    features = make().validation_features

    for environment in features:
        assert len(environment.T.unique(dim=0)) > 0.9 * environment.shape[1]
    assert not torch.equal(features[0], features[1])


def test_healthy_hosts_are_saved_and_suspended_ones_restored():
    """One of three hosts is saved and then restored; the others are unchanged."""
    population = make()
    drawn = population.weights.readout.clone()
    everywhere, second = torch.arange(ENVIRONMENTS), torch.tensor([False, True, False])
    population.weights.readout.add_(1.0)
    population.save_weights(everywhere, second)
    population.weights.readout.add_(1.0)
    population.momentum.readout.fill_(torch.nan)
    population.restore_weights(everywhere, second)

    gained = (population.weights.readout - drawn).amax((1, 2))
    torch.testing.assert_close(gained, torch.tensor([2.0, 1.0, 2.0]))
    assert population.momentum.readout.isnan().any(2).any(1).tolist() == [True, False, True]
    assert torch.equal(population.saved_weights.readout[[0, 2]], drawn[[0, 2]])
