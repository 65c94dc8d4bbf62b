"""Rules about the state and the gates of an LSTM."""

from esper_schemas.rules.rule import Rule, Sign

RECURRENT_RULES: tuple[Rule, ...] = (
    Rule(
        id="lstm_explosion",
        severity="warning",
        title="The cell state of the LSTM explodes",
        signs=(Sign("large_lstm_cell", 2, critical=True),),
        context=("large_kl", "gradient_growth", "saturated_gate"),
        advice=(
            "Clip the gradient norm (0.5 to 1) and lower the learning rate.",
            "Normalise observations; check that the state is reset where an episode begins.",
        ),
    ),
    Rule(
        id="lstm_vanishing",
        severity="warning",
        title="The state of the LSTM has vanished: it remembers nothing",
        signs=(
            Sign("small_lstm_hidden", 2, critical=True),
            Sign("small_lstm_cell", 2, critical=True),
        ),
        context=("saturated_gate", "flat_values", "no_gradient"),
        advice=(
            "Check that the state is carried from step to step and is not reset in each of them.",
            "Check that the LSTM receives its input, and look at its input and output gates.",
        ),
    ),
    Rule(
        id="lstm_saturation",
        severity="warning",
        confidence="moderate",
        escalation=3,
        title="Gates of the LSTM are saturated: gradients hardly pass them",
        signs=(Sign("saturated_gate", 3, critical=True),),
        unless=(Sign("large_lstm_cell", 2, critical=True),),
        context=("no_gradient", "flat_values"),
        advice=(
            "Lower the learning rate; normalise the input of the LSTM.",
            "Initialise the bias of the forget gate to 1, and those of the others to 0.",
        ),
    ),
)
