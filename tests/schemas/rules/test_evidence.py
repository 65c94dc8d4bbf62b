"""A chain of evidence describes when each symptom began, how bad it became, and whether it is over."""

import math

import pytest

from esper_schemas.findings import Evidence, Symptom
from esper_schemas.rules.evidence import evidence_of, number


def kl(**fields):
    """A symptom of a large KL divergence that began at update 5."""
    return Symptom(name="large_kl", metric="kl_divergence", since_update=5, last_update=9, **fields)


def test_the_links_are_in_the_order_of_time():
    """The order of the symptoms does not matter."""
    first = Symptom(name="low_entropy", metric="entropy_normalized", since_update=2, value=0.25, worst=0.25)

    assert evidence_of([kl(value=0.05, worst=0.05), first]) == (
        Evidence(2, "policy entropy 0.25 of its maximum"),
        Evidence(5, "KL divergence 0.05"),
    )


@pytest.mark.parametrize(
    ("fields", "later"),
    [
        ({"worst": 0.02, "worst_update": 5}, ""),
        ({"worst": 0.9, "worst_update": 8}, "0.9 at 8"),
        ({"worst": 0.02, "active": False}, "over after 9"),
        ({"worst": 0.9, "worst_update": 8, "active": False}, "0.9 at 8, over after 9"),
        ({"worst": 0.0200001, "worst_update": 8}, ""),  # the same number in three digits
    ],
)
def test_a_link_says_how_a_symptom_continued(fields, later):
    """It has the worst value, if that came later, and the end."""
    (link,) = evidence_of([kl(value=0.02, **fields)])

    assert link.later == later


def test_a_head_is_named_and_an_unknown_symptom_is_described_by_its_metric():
    """A snapshot of another version may have symptoms that this one does not know."""
    head = Symptom(name="ratio_explosion", metric="head_op_ratio_max", head="op", value=7.0)
    unknown = Symptom(name="too_purple", metric="hue_mean", since_update=1, value=1.0)

    assert [link.text for link in evidence_of([head, unknown])] == ["op ratio 7", "hue mean 1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"),
        (1e9, "above 1,000,000"),
        (math.nan, "NaN"),
        (math.inf, "infinite"),
        (-math.inf, "-infinite"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    """NaN and infinities are words."""
    assert number(value) == text
