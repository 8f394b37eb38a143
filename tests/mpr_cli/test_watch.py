from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from gpu_service.errors import PermanentError
from mpr_cli.exit_status import FAILED
from mpr_cli.watch import RunState, _follow, _state
from mpr_resources.progress import ProgressReport
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage

REPORT = ProgressReport(run_id="r1", stage="run_ocr", done=30, total=120, unit="frames", elapsed_s=10.0, left_s=30.0)


@pytest.mark.parametrize(
    ("status", "report", "said"),
    [
        pytest.param(dg.DagsterRunStatus.NOT_STARTED, None, "waits in the queue", id="waiting"),
        pytest.param(dg.DagsterRunStatus.STARTED, None, "0 of 18 stages done", id="before the first stage"),
        pytest.param(
            dg.DagsterRunStatus.STARTED, REPORT, "run_ocr: 30 of 120 frames, 3.0/s, 30 s left", id="within a stage"
        ),
        pytest.param(
            dg.DagsterRunStatus.STARTED,
            REPORT.model_copy(update={"run_id": "r0"}),
            "0 of 18 stages done",
            id="what an earlier run has left",
        ),
    ],
)
def test_how_far_a_run_is(
    tmp_path: Path, status: dg.DagsterRunStatus, report: ProgressReport | None, said: str
) -> None:
    storage = Storage.open(str(tmp_path))
    if report is not None:
        storage.put(Keys.progress("match"), report.model_dump_json().encode())
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.add_run(dg.DagsterRun("mpr", run_id="r1", status=status))
        assert _state(instance, storage, "match", run).sentence() == said


def test_a_run_is_followed_to_its_end(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.add_run(dg.DagsterRun("mpr", run_id="r1", status=dg.DagsterRunStatus.FAILURE))
        [ended] = _follow(instance, Storage.open(str(tmp_path)), "match", run.run_id)
        assert ended == RunState("match", "r1", "failure")
        assert ended.exit_status == FAILED
        instance.delete_run("r1")
        with pytest.raises(PermanentError, match="The run r1 was deleted while it was watched"):
            list(_follow(instance, Storage.open(str(tmp_path)), "match", "r1"))
