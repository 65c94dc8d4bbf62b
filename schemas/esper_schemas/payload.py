"""What one PPO update measured, as flat fields that carry their metric in their type."""

import msgspec

from esper_schemas import metrics as m


class PPOMetrics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The measurements of one PPO update.

    A number is measured, `None` (not measured) or not finite (kept as it is).
    """

    policy_loss: m.PolicyLoss = None
    value_loss: m.ValueLoss = None
    entropy: m.Entropy = None
    entropy_normalized: m.EntropyNormalized = None
    kl_divergence: m.KLDivergence = None
    clip_fraction: m.ClipFraction = None
    clip_fraction_positive: m.ClipFractionPositive = None
    clip_fraction_negative: m.ClipFractionNegative = None
    explained_variance: m.ExplainedVariance = None
    grad_norm: m.GradNorm = None
    grad_norm_pre_clip: m.GradNormPreClip = None
    joint_ratio_max: m.JointRatioMax = None
    joint_ratio_min: m.JointRatioMin = None
    log_prob_min: m.LogProbMin = None
    advantage_mean: m.AdvantageMean = None
    advantage_std: m.AdvantageStd = None
    return_mean: m.ReturnMean = None
    return_std: m.ReturnStd = None
    value_mean: m.ValueMean = None
    value_std: m.ValueStd = None
    nan_grad_count: m.NanGradCount = None
    inf_grad_count: m.InfGradCount = None
    learning_rate: m.LearningRate = None
    entropy_coefficient: m.EntropyCoefficient = None
    epochs_completed: m.EpochsCompleted = None
    skipped_steps: m.SkippedSteps = None
    update_time_ms: m.UpdateTime = None
    joint_ratio_mean: m.JointRatioMean = None
    joint_ratio_std: m.JointRatioStd = None
    log_prob_max: m.LogProbMax = None
    value_min: m.ValueMin = None
    value_max: m.ValueMax = None
    td_error_mean: m.TdErrorMean = None
    td_error_std: m.TdErrorStd = None
    bellman_error: m.BellmanError = None
    value_return_correlation: m.ValueReturnCorrelation = None
    explained_variance_floored: m.ExplainedVarianceFloored = None
    value_nrmse: m.ValueNrmse = None
    return_variance_low: m.ReturnVarianceLow = None
    return_p10: m.ReturnP10 = None
    return_p50: m.ReturnP50 = None
    return_p90: m.ReturnP90 = None
    return_skewness: m.ReturnSkewness = None
    advantage_min: m.AdvantageMin = None
    advantage_max: m.AdvantageMax = None
    advantage_skewness: m.AdvantageSkewness = None
    advantage_kurtosis: m.AdvantageKurtosis = None
    advantage_positive_share: m.AdvantagePositiveShare = None
    gradient_cv: m.GradientCV = None
    dead_layers: m.DeadLayers = None
    exploding_layers: m.ExplodingLayers = None
    value_grad_norm: m.ValueGradNorm = None
    lstm_grad_norm: m.LstmGradNorm = None
    lstm_hidden_rms: m.LstmHiddenRms = None
    lstm_hidden_max: m.LstmHiddenMax = None
    lstm_cell_rms: m.LstmCellRms = None
    lstm_cell_max: m.LstmCellMax = None
    lstm_cell_mean: m.LstmCellMean = None
    lstm_input_gate_saturation: m.LstmInputGateSaturation = None
    lstm_forget_gate_saturation: m.LstmForgetGateSaturation = None
    lstm_output_gate_saturation: m.LstmOutputGateSaturation = None
    rollout_time_ms: m.RolloutTime = None

    head_op_entropy: m.HeadEntropy = None
    head_slot_entropy: m.HeadEntropy = None
    head_blueprint_entropy: m.HeadEntropy = None
    head_style_entropy: m.HeadEntropy = None
    head_tempo_entropy: m.HeadEntropy = None
    head_alpha_target_entropy: m.HeadEntropy = None
    head_alpha_speed_entropy: m.HeadEntropy = None
    head_alpha_curve_entropy: m.HeadEntropy = None

    head_op_entropy_legal: m.HeadEntropyLegal = None
    head_slot_entropy_legal: m.HeadEntropyLegal = None
    head_blueprint_entropy_legal: m.HeadEntropyLegal = None
    head_style_entropy_legal: m.HeadEntropyLegal = None
    head_tempo_entropy_legal: m.HeadEntropyLegal = None
    head_alpha_target_entropy_legal: m.HeadEntropyLegal = None
    head_alpha_speed_entropy_legal: m.HeadEntropyLegal = None
    head_alpha_curve_entropy_legal: m.HeadEntropyLegal = None

    head_op_relevance: m.HeadRelevance = None
    head_slot_relevance: m.HeadRelevance = None
    head_blueprint_relevance: m.HeadRelevance = None
    head_style_relevance: m.HeadRelevance = None
    head_tempo_relevance: m.HeadRelevance = None
    head_alpha_target_relevance: m.HeadRelevance = None
    head_alpha_speed_relevance: m.HeadRelevance = None
    head_alpha_curve_relevance: m.HeadRelevance = None

    head_op_ratio_max: m.HeadRatioMax = None
    head_slot_ratio_max: m.HeadRatioMax = None
    head_blueprint_ratio_max: m.HeadRatioMax = None
    head_style_ratio_max: m.HeadRatioMax = None
    head_tempo_ratio_max: m.HeadRatioMax = None
    head_alpha_target_ratio_max: m.HeadRatioMax = None
    head_alpha_speed_ratio_max: m.HeadRatioMax = None
    head_alpha_curve_ratio_max: m.HeadRatioMax = None

    head_op_ratio_min: m.HeadRatioMin = None
    head_slot_ratio_min: m.HeadRatioMin = None
    head_blueprint_ratio_min: m.HeadRatioMin = None
    head_style_ratio_min: m.HeadRatioMin = None
    head_tempo_ratio_min: m.HeadRatioMin = None
    head_alpha_target_ratio_min: m.HeadRatioMin = None
    head_alpha_speed_ratio_min: m.HeadRatioMin = None
    head_alpha_curve_ratio_min: m.HeadRatioMin = None

    head_op_grad_norm: m.HeadGradNorm = None
    head_slot_grad_norm: m.HeadGradNorm = None
    head_blueprint_grad_norm: m.HeadGradNorm = None
    head_style_grad_norm: m.HeadGradNorm = None
    head_tempo_grad_norm: m.HeadGradNorm = None
    head_alpha_target_grad_norm: m.HeadGradNorm = None
    head_alpha_speed_grad_norm: m.HeadGradNorm = None
    head_alpha_curve_grad_norm: m.HeadGradNorm = None

    head_op_kl_divergence: m.HeadKL = None
    head_slot_kl_divergence: m.HeadKL = None
    head_blueprint_kl_divergence: m.HeadKL = None
    head_style_kl_divergence: m.HeadKL = None
    head_tempo_kl_divergence: m.HeadKL = None
    head_alpha_target_kl_divergence: m.HeadKL = None
    head_alpha_speed_kl_divergence: m.HeadKL = None
    head_alpha_curve_kl_divergence: m.HeadKL = None

    head_op_clip_fraction: m.HeadClipFraction = None
    head_slot_clip_fraction: m.HeadClipFraction = None
    head_blueprint_clip_fraction: m.HeadClipFraction = None
    head_style_clip_fraction: m.HeadClipFraction = None
    head_tempo_clip_fraction: m.HeadClipFraction = None
    head_alpha_target_clip_fraction: m.HeadClipFraction = None
    head_alpha_speed_clip_fraction: m.HeadClipFraction = None
    head_alpha_curve_clip_fraction: m.HeadClipFraction = None

    head_op_learnable_fraction: m.HeadLearnableFraction = None
    head_slot_learnable_fraction: m.HeadLearnableFraction = None
    head_blueprint_learnable_fraction: m.HeadLearnableFraction = None
    head_style_learnable_fraction: m.HeadLearnableFraction = None
    head_tempo_learnable_fraction: m.HeadLearnableFraction = None
    head_alpha_target_learnable_fraction: m.HeadLearnableFraction = None
    head_alpha_speed_learnable_fraction: m.HeadLearnableFraction = None
    head_alpha_curve_learnable_fraction: m.HeadLearnableFraction = None

    initial_ratio_max: m.InitialRatioMax = None
    initial_kl: m.InitialKL = None
    gae_residual: m.GAEResidual = None
    reward_checksum_error: m.RewardChecksumError = None
    advantage_correlation: m.AdvantageCorrelation = None
    value_gradient_share: m.ValueGradientShare = None
    kl_final: m.KLFinal = None
    joint_kl_final: m.JointKLFinal = None
    clip_fraction_final: m.ClipFractionFinal = None
    ratio_max_final: m.RatioMaxFinal = None
    joint_ratio_max_final: m.JointRatioMaxFinal = None

    feature_rank: m.FeatureRank = None
    dead_units: m.DeadUnits = None
    preactivation_norm: m.PreactivationNorm = None
    kl_k1: m.KLK1 = None
    log_prob_advantage_covariance: m.LogProbAdvantageCovariance = None
    gradient_noise_scale: m.GradientNoiseScale = None
    policy_churn: m.PolicyChurn = None
    advantage_p10: m.AdvantageP10 = None
    advantage_p50: m.AdvantageP50 = None
    advantage_p90: m.AdvantageP90 = None
    advantage_p99: m.AdvantageP99 = None
    value_error_p10: m.ValueErrorP10 = None
    value_error_p50: m.ValueErrorP50 = None
    value_error_p90: m.ValueErrorP90 = None
    value_error_p99: m.ValueErrorP99 = None


class HeadMeasures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The measurements of one action head that a run declares (`RunStarted.heads`) in one PPO update.

    `std` is the mean standard deviation of a continuous head's distribution.
    """

    entropy: m.HeadEntropy = None
    entropy_legal: m.HeadEntropyLegal = None
    relevance: m.HeadRelevance = None
    ratio_max: m.HeadRatioMax = None
    ratio_min: m.HeadRatioMin = None
    grad_norm: m.HeadGradNorm = None
    kl_divergence: m.HeadKL = None
    clip_fraction: m.HeadClipFraction = None
    learnable_fraction: m.HeadLearnableFraction = None
    std: m.HeadStd = None


class PPOUpdatePayload(PPOMetrics, frozen=True, kw_only=True, omit_defaults=True):
    """The measurements of one PPO update, as a trainer emits them.

    `heads` has those of the heads that the run declares, `scalars` its own metrics, by name.
    """

    heads: dict[str, HeadMeasures] = {}
    scalars: dict[str, m.OwnScalar] = {}
