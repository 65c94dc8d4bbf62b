"""The verdict on a run: one word with its reason, the same for screens, commands and JSON. Pure."""

from esper_schemas.findings import Finding, Verdict, VerdictWord
from esper_schemas.snapshot import SanctumSnapshot

CONVERGED_RULE = "policy_converged"

SHORT_TITLES = {
    "own_metric_critical": "{metric} beyond its bound",
    "own_metric_warning": "{metric} beyond its bound",
    "implausible_value": "implausible {metric}",
    "kl_not_finite": "KL not finite",
    "duplicate_rank": "several processes of one rank",
}
"""Short titles of rules whose id is not one."""


def verdict_of(snapshot: SanctumSnapshot) -> Verdict:
    """Return the verdict that follows from the findings of a snapshot, which are in the order of `diagnose`.

    The reason is the worst finding. Without a warning or a critical finding a run is healthy, once it has
    made an update.
    """
    for severity, word in (("critical", VerdictWord.CRITICAL), ("warning", VerdictWord.SUSPICIOUS)):
        worst = next((finding for finding in snapshot.findings if finding.severity == severity), None)
        if worst is not None:
            return _because(word, worst)
    if not snapshot.tamiyo.ppo_data_received:
        return Verdict(VerdictWord.NO_DATA)
    converged = next((finding for finding in snapshot.findings if finding.rule == CONVERGED_RULE), None)
    if converged is not None:
        return Verdict(VerdictWord.CONVERGED, "", converged.since_update, converged.rule)
    return Verdict(VerdictWord.HEALTHY)


def _because(word: VerdictWord, finding: Finding) -> Verdict:
    return Verdict(word, short_title(finding), finding.since_update, finding.rule)


def short_title(finding: Finding) -> str:
    """Return a finding in a few words, with its head or metric: "head collapse of op"."""
    title = SHORT_TITLES.get(finding.rule, finding.rule.replace("_", " "))
    title = title.replace("{metric}", next(iter(finding.metrics), "a metric"))
    return f"{title} of {finding.head}" if finding.head else title


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict as text: "CRITICAL policy collapse since 412"."""
    since = "" if verdict.since_update is None else f"since {verdict.since_update}"
    return " ".join(part for part in (verdict.word.value, verdict.reason, since) if part)
