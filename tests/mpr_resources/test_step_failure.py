from typing import cast

import dagster as dg
import pytest

from gpu_service.errors import BadInput, HostAway, MprError, PermanentError
from mpr_resources.step_failure import RETRIES, failure, final_failure, retry

FACTS: dict[str, tuple[MprError, str, dict[str, str]]] = {
    "what alone": (
        PermanentError("The storage is full."),
        "The storage is full.",
        {"what": "The storage is full.", "kind": "refused"},
    ),
    "with a remedy": (
        HostAway("no host answers", "start one"),
        "no host answers; start one.",
        {"what": "no host answers", "remedy": "start one", "kind": "host_away"},
    ),
    "all": (
        BadInput("the colour is not known", "choose red or blue", where="flag.yaml:3"),
        "flag.yaml:3: the colour is not known; choose red or blue.",
        {
            "what": "the colour is not known",
            "where": "flag.yaml:3",
            "remedy": "choose red or blue",
            "kind": "bad_input",
        },
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_a_failure_carries_the_facts(name: str) -> None:
    error, sentence, facts = FACTS[name]
    failed = failure(error)
    assert failed.description == sentence
    assert {key: cast(dg.TextMetadataValue, value).value for key, value in failed.metadata.items()} == facts
    assert not failed.allow_retries


def test_a_failed_step_shows_the_facts_and_its_run_is_not_tried_again() -> None:
    @dg.op
    def refuses(context: dg.OpExecutionContext) -> None:
        raise final_failure(context.instance, context.run_id, BadInput("no", "say yes", where="here"))

    @dg.job
    def job() -> None:
        refuses()

    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags["dagster/retry_on_asset_or_op_failure"] == "false"
    [failed] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failed.user_failure_data is not None
    assert failed.user_failure_data.description == "here: no; say yes."
    facts = {key: value.value for key, value in failed.user_failure_data.metadata.items()}
    assert facts == {"what": "no", "remedy": "say yes", "where": "here", "kind": "bad_input"}


@pytest.mark.parametrize(("attempt", "wait_s"), [(0, 1.0), (1, 3.0), (2, 7.0)])
def test_waits_grow(attempt: int, wait_s: float) -> None:
    assert (retry(attempt).max_retries, retry(attempt).seconds_to_wait) == (RETRIES.max_retries, wait_s)
