"""The answer to "why is this brand not in the report": where it was lost, and the page that shows what was seen."""

from __future__ import annotations

from dataclasses import dataclass

from mpr_assets.engine.stage_run import FRAME_INDEX, StageRun
from mpr_assets.evidence.lost import Lost, lost
from mpr_assets.evidence.moment import StoredResults
from mpr_assets.evidence.page import PagePicture, page_name, why_not_page
from mpr_assets.evidence.pictures import lines_picture, stored_frame
from mpr_assets.report.camera import picture_motion, still
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys


@dataclass(frozen=True)
class WhyNot:
    """`page`: key of the page that shows the frame with what was read on it; None where there is no frame to show."""

    lost: Lost
    page: str | None


def why_not(run: StageRun, brand: str, at_ms: int) -> WhyNot:
    """Find where a brand was lost, and store the page that shows it.

    Args:
        run: the stage `compile_report` opened on the timeline.
        brand, at_ms: see `lost`.

    Raises:
        BadInput: the timeline has no report.
    """
    results = StoredResults.of(run)
    folder = run.frame_folder(results.header(FRAME_INDEX).fingerprint)
    motion = picture_motion(lambda seq: folder.read(seq, decode=False)) if folder.finished() else still
    found = lost(results, brand, at_ms, run.brand_list(), run.references(), motion)
    if found.moment is None or found.exposure is not None:
        return WhyNot(found, None)
    pixels = stored_frame(run, results, found.moment.kept_seq)
    title = f"frame {found.moment.kept_seq}, at {clock(found.moment.frame_ms)}, with the text that was read"
    frame = None if pixels is None else PagePicture.of(title, lines_picture(pixels, found.lines))
    key = Keys.report(run.timeline, page_name("why-not", found.brand, at_ms))
    run.storage.put(key, why_not_page(run.timeline, found, frame).encode())
    return WhyNot(found, key)
