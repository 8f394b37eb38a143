"""The check `f1_not_lower`: whether the report is less right than it was in the last scenario of its timeline.

Both are held against what is known now, so that a truth that grew does not look like a change for the worse.
"""

from __future__ import annotations

import polars as pl

from mpr_assets.annotations.corrections import read_corrections
from mpr_assets.annotations.stored import read_truth
from mpr_assets.engine.checks import Check
from mpr_assets.engine.stage_run import StageRun
from mpr_assets.evaluation.evaluate import Claimed, Known, SpanSettings, evaluate
from mpr_assets.evaluation.model import Evaluation
from mpr_assets.timelines.chunks import timeline_ms
from mpr_resources.storage.scenario_store import Scenario, opened, scenarios
from mpr_resources.storage.tables import StageTable, read_table

REPORT, EVALUATION = "compile_report", "evaluation"
MARGIN = 0.0005
"""Less than the last decimal that is shown."""

_NOTHING = pl.DataFrame(
    schema={"seq": pl.Int64, "brand": pl.String, "confidence": pl.Float64, "source": pl.String}
    | dict.fromkeys("xywh", pl.Int32)
)


def last_scenario(run: StageRun) -> Scenario | None:
    """The scenario saved last that has the report of the run's timeline."""
    mine = [one for one in scenarios(run.storage) if one.timeline == run.timeline and one.stage in (REPORT, EVALUATION)]
    return max(mine, key=lambda one: (one.saved, one.label), default=None)


def _lower_than_in_the_last_scenario(_made: StageTable, report: StageTable, run: StageRun) -> list[str]:
    scenario = last_scenario(run)
    if scenario is None:
        return []
    before = _held(read_table(opened(run.storage, scenario.label), REPORT, run.timeline), run)
    now = _held(report, run)
    if now.total.f1 > before.total.f1 - MARGIN:
        return []
    return [
        f"F1 is {now.total.f1:.3f} (recall {now.total.recall:.3f}, precision {now.total.precision:.3f}), and in the "
        f"scenario {scenario.label} it is {before.total.f1:.3f} (recall {before.total.recall:.3f}, precision "
        f"{before.total.precision:.3f}){_worst(before, now)}"
    ]


def _worst(before: Evaluation, now: Evaluation) -> str:
    """The brand that lost most."""
    was = {one.brand: one.f1 for one in before.brands}
    lost = [(was.get(one.brand, 1.0) - one.f1, one.brand) for one in now.brands]
    most, brand = max(lost, default=(0.0, ""))
    return f"; {brand} has lost most" if most > 0 else ""


def _held(report: StageTable, run: StageRun) -> Evaluation:
    settings = run.settings
    assert isinstance(settings, SpanSettings)
    known = Known(read_truth(run.storage, run.timeline), read_corrections(run.storage, run.timeline))
    length_ms = timeline_ms(run.stored("timeline").rows)
    looked_at = pl.DataFrame(schema={"seq": pl.Int64, "timeline_ms": pl.Int64})
    claimed = Claimed(report.rows, _NOTHING, looked_at, 40.0, length_ms, run.brand_list())
    return evaluate(run.timeline, known, claimed, settings)


F1_NOT_LOWER = Check(
    "f1_not_lower",
    "The report is as right as in the last scenario of its timeline. Passes without a truth or a scenario.",
    REPORT,
    _lower_than_in_the_last_scenario,
    "mpr scenario check shows what is different now",
    warns=True,
)
