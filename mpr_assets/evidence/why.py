"""The answer to "why is this brand in the report": the proof, what made it, and the page that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpu_service.pictures import Picture
from mpr_assets.engine.stage import Stage
from mpr_assets.engine.stage_run import FRAME_INDEX, StageRun
from mpr_assets.evidence.found import Proof, prove
from mpr_assets.evidence.makers import Maker, makers
from mpr_assets.evidence.moment import REPORT, StoredResults
from mpr_assets.evidence.page import PagePicture, PlacePictures, page_name, why_page
from mpr_assets.evidence.pictures import frame_picture, place_picture, steps, stored_crop, stored_frame
from mpr_assets.runs.history import HistoryEntry
from mpr_resources.media.clock import clock
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.pictures import Frame

STEPS = {
    "regions": "regions whose shape is like a silhouette",
    "matches": "points of the frame that are like points of a reference",
    "candidates": "poses that were compared with their reference",
}
"""Pictures of the logo engines' steps, and what they show."""


@dataclass(frozen=True)
class Why:
    """`frame`: key of the frame in the storage. `page`: of the page that shows it all. `notes`: what to know besides,
    a sentence each.
    """

    proof: Proof
    made: Sequence[Maker]
    frame: str
    page: str
    notes: Sequence[str]


def why(run: StageRun, stages: Mapping[str, Stage], made: Sequence[HistoryEntry], brand: str, at_ms: int | None) -> Why:
    """Prove an exposure, and store the page that shows it.

    Args:
        run: the stage `compile_report` opened on the timeline.
        stages: all, by name.
        made: the timeline's history.
        brand, at_ms: see `prove`.

    Raises:
        BadInput: the report has no such exposure.
    """
    results = StoredResults.of(run)
    proof = prove(results, brand, at_ms)
    notes = [*results.out_of_step()]
    if proof.bridged and at_ms is not None:
        notes.append(
            f"Nothing was found at {clock(at_ms)} itself: the exposure goes on over it. Shown is the nearest frame "
            "on which the brand was found."
        )
    seq = proof.moment.kept_seq
    made_by = makers(results, stages, [REPORT, *(one.stage for one in proof.detections)], made)
    pixels = stored_frame(run, results, seq)
    frame, step_pictures = None, []
    if pixels is None:
        notes.append(
            f"Frame {seq} is not in the cache any more; mpr replay {run.timeline} {FRAME_INDEX} --only stores it again."
        )
    else:
        title = f"frame {seq}, at {clock(proof.moment.frame_ms)}"
        frame = PagePicture.of(title, frame_picture(pixels, proof.brand, proof.detections))
        if any(one.objects for one in proof.detections):
            drawn, note = steps(
                stages["detect_objects"], run, results, Frame(seq, proof.moment.frame_ms, Picture(pixels=pixels))
            )
            step_pictures = [PagePicture.of(told, drawn[name]) for name, told in STEPS.items() if name in drawn]
            notes += [note] if note else []
    places = [
        PlacePictures(
            one,
            None if pixels is None else PagePicture.of("its place, enlarged", place_picture(pixels, one)),
            [
                PagePicture.of(f"crop {crop.crop}, as it was read", picture)
                for crop in one.crops
                if (picture := stored_crop(run, results, crop.crop)) is not None
            ],
        )
        for one in proof.detections
    ]
    key = Keys.report(run.timeline, page_name("why", proof.brand, at_ms))
    page = why_page(run.timeline, proof, made_by, frame, places, step_pictures, notes)
    run.storage.put(key, page.encode())
    frame_key = run.frame_folder(results.header(FRAME_INDEX).fingerprint).key(seq)
    return Why(proof, made_by, frame_key, key, notes)
