"""Every choice of every head has one row, one position, and one head."""

import torch

from esper_schemas.heads import CAUSAL, HEAD_SIZES, HEADS, Op
from esper_trainer.model.action_layout import LOGIT_COUNT, MAX_CHOICES, VALUE_ROW, action_layout

CONSTANTS = action_layout(torch.device("cpu"))


def test_rows_count_all_choices_once():
    """6 + 3 + 13 + 4 + 3 + 3 + 4 + 5 = 41 rows of logits, then the value."""
    assert LOGIT_COUNT == sum(HEAD_SIZES.values()) == 41
    assert VALUE_ROW == 41


def test_padding_spreads_rows_head_by_head():
    """Row r of the flat logits is at its position in the padded block."""
    rows = torch.arange(LOGIT_COUNT)
    block = rows.index_select(0, CONSTANTS.padding).view(len(HEADS), MAX_CHOICES)

    assert torch.equal(block.flatten()[CONSTANTS.positions], rows)
    assert block[HEADS.index("slot"), :3].tolist() == [6, 7, 8]
    assert block[HEADS.index("alpha_curve"), :5].tolist() == [36, 37, 38, 39, 40]


def test_membership_gives_every_row_to_its_head_and_the_value_to_none():
    """The sums over rows are the sizes of the heads."""
    assert CONSTANTS.membership.sum(1).tolist() == list(HEAD_SIZES.values())
    assert CONSTANTS.membership[:, VALUE_ROW].sum() == 0


def test_causal_is_that_of_the_schemas():
    """It is 1 where an op makes a head relevant."""
    for op in Op:
        relevant = {HEADS[index] for index in CONSTANTS.causal[:, op].nonzero().flatten().tolist()}

        assert relevant == CAUSAL[op]
