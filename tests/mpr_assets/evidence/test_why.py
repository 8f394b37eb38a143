from __future__ import annotations

import re

from mpr_assets.definitions import BY_NAME, SECTIONS
from mpr_assets.engine.open_run import stage_run
from mpr_assets.engine.overrides import NO_OVERRIDES
from mpr_assets.evidence.why import why
from mpr_assets.runs.history import read_entries
from mpr_resources.storage.keys import Keys
from tests.mpr_assets.runs.test_try_stage import resources
from tests.mpr_assets.settings_matrix import LOG
from tests.world import BRAND, TIMELINE, Ran, World


def test_the_way_from_a_figure_to_the_run_with_a_page_of_its_own(finished: tuple[World, Ran], world: World) -> None:
    original, ran = finished
    made = read_entries(original.instance, SECTIONS, TIMELINE)
    run = stage_run(BY_NAME["compile_report"], TIMELINE, NO_OVERRIDES, resources(world), LOG)
    answer = why(run, BY_NAME, made, BRAND.lower(), 1000)
    [found] = answer.proof.detections
    assert (answer.proof.brand, found.source, found.text) == (BRAND, "ocr", BRAND)
    assert [line.text for line in found.lines] == [BRAND]
    assert {one.run_id for one in answer.made} == {ran.result.run_id}
    stages = list(BY_NAME)
    assert [one.stage for one in answer.made] == stages[: stages.index("compile_report") + 1]
    assert world.storage.exists(answer.frame)
    page = world.storage.get(answer.page).decode()
    assert answer.page == f"reports/{TIMELINE}/why_Acme-Motors_00-00-01.000.html"
    assert len(re.findall("<img src=.data:image/jpeg", page)) == 2 + len(found.crops)
    assert ran.result.run_id in page
    assert answer.notes == []


def test_without_its_frames_the_proof_stands_and_says_what_brings_them_back(world: World) -> None:
    world.storage.delete(list(world.storage.list(f"cache/timelines/{TIMELINE}")))
    run = stage_run(BY_NAME["compile_report"], TIMELINE, NO_OVERRIDES, resources(world), LOG)
    answer = why(run, BY_NAME, [], BRAND, None)
    [note] = answer.notes
    assert note.endswith(f"is not in the cache any more; mpr replay {TIMELINE} extract_frames --only stores it again.")
    assert answer.page == Keys.report(TIMELINE, "why_Acme-Motors.html")
    assert "<img" not in world.storage.get(answer.page).decode()
