"""How an error of MPR ends a Dagster step: retried, or final.

Steps ask for another try by `RetryRequested`. A `RetryPolicy` on the asset would also try again what is a bug, and
what `mpr stop` or Ctrl-C interrupts (`op_execution_error_boundary` in Dagster); here it only says how long to wait.
"""

from __future__ import annotations

import dagster as dg

from gpu_service.errors import MprError
from mpr_resources.dagster_internals import retry_run

RETRIES = dg.RetryPolicy(max_retries=3, delay=1.0, backoff=dg.Backoff.EXPONENTIAL)
"""1, 3 and 7 seconds."""


def retry(attempt: int = 1) -> dg.RetryRequested:
    """Another try of a step; `attempt`: how often it was tried again so far, which an IO manager is not told."""
    return dg.RetryRequested(RETRIES.max_retries, RETRIES.calculate_delay(attempt + 1))


def failure(error: MprError) -> dg.Failure:
    """The error as Dagster shows it: its sentence, and its facts as metadata."""
    facts = {"what": error.what, "where": error.where, "remedy": error.remedy, "kind": error.kind}
    metadata = {name: fact for name, fact in facts.items() if fact}
    return dg.Failure(str(error), metadata=metadata, allow_retries=False)


def final_failure(instance: dg.DagsterInstance, run_id: str, error: MprError) -> dg.Failure:
    """What is known for certain: neither the step nor, with `run_retries`, the run is tried again."""
    retry_run(instance, run_id, on_failure=False)
    return failure(error)
