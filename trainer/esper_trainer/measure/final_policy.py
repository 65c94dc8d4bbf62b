"""How far the policy is from the one that acted, after the last step of an update.

The KL divergence of an update is the mean over its minibatches, each evaluated before its own step; with one
minibatch and one epoch it is always 0. These numbers are of the whole rollout and of the final parameters.
"""

from torch import Tensor

from esper_trainer.measure.packed_metrics import MeasuredValue, average
from esper_trainer.ppo.batch import RecordedChoices
from esper_trainer.ppo.losses import JOINT_LOG_RATIO_LIMIT, kl_estimate, log_ratio


def final_policy(
    log_probs: Tensor, recorded: RecordedChoices, alive: Tensor, clip_range: float
) -> dict[str, MeasuredValue]:
    """The metrics of the final policy, by payload field.

    log_probs [8, N]: of the recorded choices, by the final policy. alive [N].
    """
    relevance = recorded.relevance
    log_ratios = log_ratio(log_probs, recorded.log_probs) * relevance
    ratios, choices, steps = log_ratios.exp(), relevance.sum(), alive.sum()
    joint = log_ratios.sum(0).clamp(-JOINT_LOG_RATIO_LIMIT, JOINT_LOG_RATIO_LIMIT)
    joint_ratios = joint.exp()
    return {
        "kl_final": average(kl_estimate(log_ratios, ratios).sum(), choices),
        "joint_kl_final": average(kl_estimate(joint, joint_ratios).sum(), steps),
        "clip_fraction_final": average(((ratios - 1.0).abs() > clip_range).sum(), choices),
        "ratio_max_final": MeasuredValue(ratios.amax(), choices > 0),
        "joint_ratio_max_final": MeasuredValue(joint_ratios.amax(), steps > 0),
    }
