"""A finding about a training that ended with an error."""

from esper_schemas.findings import Evidence, Finding
from esper_schemas.snapshot import SanctumSnapshot

TRAINING_FAILED = "training_failed"

TITLE = "The training ended with an error"

ADVICE = (
    "Read the error in the trainer's own output; the last updates of this run show what came before.",
    "If it is about values that are NaN or not valid, look for them in rewards, observations and losses.",
)

MAX_REASON = 160
"""Characters of an error that are shown."""


def failed_training(snapshot: SanctumSnapshot) -> list[Finding]:
    """Return the finding, if the run ended with an error."""
    run, update = snapshot.run, snapshot.tamiyo.last_update
    if run.outcome != "failed":
        return []
    reason = " ".join(run.reason.split())
    shown = reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 1] + "…"
    return [
        Finding(
            rule=TRAINING_FAILED,
            severity="critical",
            title=TITLE,
            since_update=update,
            evidence=(Evidence(update, shown or "no reason was recorded"),),
            advice=ADVICE,
        )
    ]
