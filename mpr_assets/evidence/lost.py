"""Where a brand was lost that the report does not have at a moment: the stage that let it go, and what would not have.

What a stage decides is asked of the stage's own functions, with the settings that the stored result was made with. The
routes of text and of logos are in `text_route` and `logo_route`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from gpu_service.likeness import phash_distance
from gpu_service.routines import Reference
from mpr_assets.corrections.applied import REJECTED
from mpr_assets.engine.stage_run import FRAME_INDEX, KEPT_FRAMES
from mpr_assets.evidence.found import FoundExposure, exposure_of
from mpr_assets.evidence.logo_route import logo_loss
from mpr_assets.evidence.loss import Loss, Passed, ReadLine, Reason, quoted
from mpr_assets.evidence.moment import (
    BRAND_STAGES,
    CORRECTIONS,
    REPORT,
    TIMELINE,
    Moment,
    StoredResults,
    at_frame,
    moment_at,
)
from mpr_assets.evidence.remedies import Remedies, Remedy
from mpr_assets.evidence.text_route import MATCH, OCR, read_lines, text_loss
from mpr_assets.report.camera import Motion, still
from mpr_assets.report.exposures import ExposureSettings, exposures
from mpr_assets.sampling.settings import ExtractFramesSettings
from mpr_assets.stages.compile_report import CompileReportSettings
from mpr_assets.stages.filter_scenes import FilterScenesSettings
from mpr_assets.timelines.chunks import timeline_ms
from mpr_resources.brands.brand_file import Brand, BrandList
from mpr_resources.brands.folding import fold_key
from mpr_resources.media.clock import clock

ESCALATIONS = tuple(stage for stage in BRAND_STAGES if stage not in (MATCH, CORRECTIONS))
FARTHEST = [*Reason]
"""Of two routes the one on which it came farther is told first."""


@dataclass(frozen=True)
class Lost:
    """The answer.

    Attributes:
        brand: as the list of brands spells it, or as it was asked for.
        exposure: the one that it is in after all; None: it is in none.
        moment: the frame that stands for the time; None: there is none.
        passed: what happened on the way. losses: where it was lost, the farthest first; empty: it was not.
        lines: what was read on the frame, the nearest first.
    """

    brand: str
    at_ms: int
    exposure: FoundExposure | None
    moment: Moment | None
    passed: Sequence[Passed]
    losses: Sequence[Loss]
    lines: Sequence[ReadLine]


def lost(
    results: StoredResults,
    brand: str,
    at_ms: int,
    brands: BrandList,
    references: Sequence[Reference],
    motion: Motion = still,
) -> Lost:
    """Where the brand was lost at this moment.

    Args:
        brand: a name or an alias, however it is spelt; it need not be in the list.
        brands: what is looked for now. references: the reference pictures of now.
        motion: of the picture between kept frames.
    """
    listed = brands.named(brand)
    reported = results.rows(REPORT)["brand"].unique().sort().to_list()
    name = listed.name if listed else next((one for one in reported if fold_key(one) == fold_key(brand)), brand)
    length_ms = timeline_ms(results.rows(TIMELINE))
    if not 0 <= at_ms < length_ms:
        outside = Loss(
            TIMELINE, Reason.OUTSIDE, f"{clock(at_ms)} is outside of the timeline, which lasts {clock(length_ms)}."
        )
        return Lost(name, at_ms, None, None, [], [outside], [])
    for row in results.rows(REPORT).filter(pl.col("brand") == name).iter_rows(named=True):
        if row["start_ms"] <= at_ms < row["end_ms"]:
            return Lost(name, at_ms, exposure_of(row), moment_at(results, at_ms), [], [], [])
    moment = moment_at(results, at_ms)
    if moment is None:
        return Lost(name, at_ms, None, None, [], [_no_frame(results, at_ms)], [])
    one = listed or Brand(name=name)
    if listed is None:
        brands = replace(brands, brands=(*brands.brands, one))
    passed = [*_out_of_date(results, brands, listed), *_sampled(results, moment), *_near_duplicate(results, moment)]
    found = at_frame(results.detections(), [moment.kept_seq, moment.seq]).filter(pl.col("brand") == name)
    gap = _not_bridged(results, name, moment, motion)
    if not found.is_empty():
        return Lost(name, at_ms, None, moment, passed, [_not_counted(results, name, moment, motion), *gap], [])
    if taken_away := _taken_away(results, name, moment):
        return Lost(name, at_ms, None, moment, passed, [*taken_away, *gap], [])
    lines = [] if results.header(OCR).skipped is not None else read_lines(results, moment.kept_seq, one, brands)
    losses = [
        text_loss(results, moment.kept_seq, one, brands),
        logo_loss(results, moment.kept_seq, one, brands, references),
        *_rejected(results, name, moment),
    ]
    if listed is None:
        losses = [_not_listed(results, name, losses[0])]
    losses.sort(key=lambda loss: -FARTHEST.index(loss.reason))
    return Lost(name, at_ms, None, moment, passed, [*losses, *gap], lines)


def _no_frame(results: StoredResults, at_ms: int) -> Loss:
    """No frame was sampled that covers the moment."""
    times = results.rows(FRAME_INDEX)["timeline_ms"]
    near = sorted(times.to_list(), key=lambda time: abs(time - at_ms))[:2]
    told = (
        f"the nearest are at {' and '.join(clock(time) for time in sorted(near))}" if near else "there are none at all"
    )
    return Loss(FRAME_INDEX, Reason.NOT_SAMPLED, f"No frame was sampled that shows {clock(at_ms)}; {told}.")


def _out_of_date(results: StoredResults, brands: BrandList, listed: Brand | None) -> list[Passed]:
    told = [Passed(sentence.partition(" ")[0], f"{sentence}.") for sentence in results.out_of_step()]
    if listed is not None and results.header(MATCH).upstream.get("brands") != brands.version:
        told.append(
            Passed(
                MATCH,
                "The list of brands has changed since.",
                commands=[f"mpr replay {results.timeline} {MATCH}"],
            )
        )
    return told


def _sampled(results: StoredResults, moment: Moment) -> list[Passed]:
    """Whether the picture of the moment itself was looked at."""
    if moment.timeline_ms <= moment.at_ms < moment.until_ms:
        return []
    settings = ExtractFramesSettings.model_validate(results.header(FRAME_INDEX).settings)
    times = results.rows(FRAME_INDEX)["timeline_ms"]
    before, after = times.filter(times <= moment.at_ms), times.filter(times > moment.at_ms)
    samples = [clock(time) for time in (before.max(), after.min()) if isinstance(time, int)]
    return [
        Passed(
            FRAME_INDEX,
            f"The picture at {clock(moment.at_ms)} itself was not sampled: samples are at {' and '.join(samples)}. "
            f"What follows is of frame {moment.seq}, whose time it is.",
            [Remedy(FRAME_INDEX, "fps", settings.fps, min(60.0, 2 * settings.fps))] if settings.fps < 60 else [],
        )
    ]


def _near_duplicate(results: StoredResults, moment: Moment) -> list[Passed]:
    """Whether another frame was looked at in the place of the sampled one."""
    if moment.seq == moment.kept_seq:
        return []
    settings = FilterScenesSettings.model_validate(results.header(KEPT_FRAMES).settings)
    index = results.rows(FRAME_INDEX)
    [own] = index.filter(pl.col("seq") == moment.seq).iter_rows(named=True)
    [kept] = index.filter(pl.col("seq") == moment.kept_seq).iter_rows(named=True)
    bits, apart_ms = phash_distance(own["phash"], kept["phash"]), own["timeline_ms"] - kept["timeline_ms"]
    remedies = [Remedy(KEPT_FRAMES, "max_stand_in_ms", settings.max_stand_in_ms, max(0, apart_ms - 1))]
    if bits:
        remedies.insert(0, Remedy(KEPT_FRAMES, "phash_max_distance", settings.phash_max_distance, bits - 1))
    return [
        Passed(
            KEPT_FRAMES,
            f"Frame {moment.seq} was dropped as a near-duplicate of frame {moment.kept_seq} at "
            f"{clock(moment.frame_ms)}: their hashes differ by {bits} bits, and no square of the picture by more than "
            f"block_change_max = {settings.block_change_max:g} grey levels. What follows is of that frame.",
            remedies,
        )
    ]


def _not_listed(results: StoredResults, name: str, text: Loss) -> Loss:
    """The brand is not looked for. `text`: what would be said if it were."""
    found = text.reason is Reason.OUT_OF_DATE
    then = "It would be found on this frame if it were." if found else f"If it were: {text.sentence}"
    return Loss(
        MATCH,
        Reason.NOT_LISTED,
        f"{name} is not among the brands that are looked for. {then}",
        commands=[f"mpr brands add {quoted(name)}", f"mpr replay {results.timeline} {MATCH}"],
    )


def _taken_away(results: StoredResults, name: str, moment: Moment) -> list[Loss]:
    """Whether a person took the brand's detections away."""
    rows = at_frame(results.rows(CORRECTIONS), [moment.kept_seq, moment.seq])
    if rows.filter(pl.col("reason") == f"{REJECTED}{name}").is_empty():
        return []
    return [
        Loss(
            CORRECTIONS,
            Reason.REJECTED,
            f"{name} was found on frame {moment.kept_seq}, and a correction says that it is not there.",
            commands=[f"mpr corrections {results.timeline}"],
        )
    ]


def _rejected(results: StoredResults, name: str, moment: Moment) -> list[Loss]:
    """Answers of models that named the brand, and were not believed."""
    losses = []
    for stage in ESCALATIONS:
        rows = at_frame(results.rows(stage), [moment.kept_seq]).filter(pl.col("brand").is_null())
        for row in rows.sort("confidence", descending=True).iter_rows(named=True):
            rule, _, named = row["reason"].partition(":")
            if fold_key(named) != fold_key(name) or rule == "near_miss":
                continue
            least = results.header(stage).settings.get("min_confidence")
            remedies = []
            said = f"The model named {named} for “{row['text']}”, which was not believed: {rule.replace('_', ' ')}"
            if rule == "below_threshold" and isinstance(least, int | float):
                said += f", {row['confidence']:.3f} of min_confidence = {least:g}"
                remedies = [Remedy(stage, "min_confidence", least, row["confidence"])]
            losses.append(Loss(stage, Reason.REJECTED, f"{said}.", remedies))
            break
    return losses


def _covers(results: StoredResults, name: str, at_ms: int, settings: ExposureSettings, motion: Motion) -> bool:
    frames, scenes, chunks = (results.rows(one) for one in (FRAME_INDEX, KEPT_FRAMES, TIMELINE))
    rows = exposures(results.detections(), frames, scenes, chunks, settings, motion).filter(pl.col("brand") == name)
    return not rows.filter((pl.col("start_ms") <= at_ms) & (pl.col("end_ms") > at_ms)).is_empty()


def _exposure_remedies(
    results: StoredResults, name: str, at_ms: int, motion: Motion
) -> tuple[CompileReportSettings, list[Remedy]]:
    settings = CompileReportSettings.model_validate(results.header(REPORT).settings)
    looked = Remedies(REPORT, settings, lambda changed: _covers(results, name, at_ms, changed, motion))
    return settings, looked.among(ExposureSettings.model_fields)


def _not_counted(results: StoredResults, name: str, moment: Moment, motion: Motion) -> Loss:
    """It was found on the frame, and is in no exposure."""
    settings, remedies = _exposure_remedies(results, name, moment.at_ms, motion)
    covered = _covers(results, name, moment.at_ms, settings, motion)
    if covered and settings.refine_edges:
        return Loss(
            REPORT,
            Reason.NOT_COUNTED,
            f"{name} was found on frame {moment.kept_seq} at {clock(moment.frame_ms)}, whose time this is; but the "
            "edge of its exposure was looked up in the video between two samples, and leaves this moment out.",
            [Remedy(REPORT, "refine_edges", True, False)],
        )
    if covered:
        return Loss(
            REPORT,
            Reason.OUT_OF_DATE,
            f"{name} was found on frame {moment.kept_seq}; the stored report is older.",
            commands=[f"mpr replay {results.timeline} {REPORT}"],
        )
    told = ", ".join(f"{one.setting} = {one.now:g}" for one in remedies)
    return Loss(
        REPORT,
        Reason.NOT_COUNTED,
        f"{name} was found on frame {moment.kept_seq}, but its time there is no exposure"
        + (f" by {told}." if told else ": several settings leave it out."),
        remedies,
    )


def _not_bridged(results: StoredResults, name: str, moment: Moment, motion: Motion) -> list[Loss]:
    """The gap between two exposures of the brand that the moment is in, where a setting bridges it."""
    rows = results.rows(REPORT).filter(pl.col("brand") == name)
    before = rows.filter(pl.col("end_ms") <= moment.at_ms)["end_ms"].max()
    after = rows.filter(pl.col("start_ms") > moment.at_ms)["start_ms"].min()
    if not isinstance(before, int) or not isinstance(after, int):
        return []
    _, remedies = _exposure_remedies(results, name, moment.at_ms, motion)
    if not remedies:
        return []
    return [
        Loss(
            REPORT,
            Reason.NOT_COUNTED,
            f"It is on screen until {clock(before)} and again from {clock(after)}; the {after - before} ms between "
            "them are not bridged.",
            remedies,
        )
    ]
