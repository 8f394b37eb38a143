"""The last stage: what all stages found, as exposures, measures, exports and the page.

How exposures are made, measured and shown is in `mpr_assets/report/`; here is how it comes together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import polars as pl
from pydantic import Field

from gpu_service.errors import BadInput
from mpr_assets.corrections.applied import without_rejected
from mpr_assets.engine.checks import EXPOSURES_IN_ORDER
from mpr_assets.engine.overview import Overview
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.exports.formats import FORMATS, FormatName
from mpr_assets.exports.stored import stage_times
from mpr_assets.exports.tables import Behind, ReportTables, StageTime
from mpr_assets.report.build import Subject, build_report
from mpr_assets.report.camera import Motion, picture_motion, still
from mpr_assets.report.edges import HowFramesAreShown, looked_up
from mpr_assets.report.exposure_measures import COLUMN_MEANINGS, MEASURED_SCHEMA
from mpr_assets.report.exposures import (
    ExposureSettings,
    exposures,
    frame_spans,
)
from mpr_assets.report.heard import NOTHING_HEARD, Heard, captions, mentions
from mpr_assets.report.mark_spans import marks_of
from mpr_assets.report.measured import NOTHING_AROUND, MeasureSettings, measure
from mpr_assets.report.media_equivalent import RateCard, refuse_unknown_placements
from mpr_assets.report.model import StageProvenance
from mpr_assets.report.objects import objects_of, on_screen
from mpr_assets.report.overview import overview
from mpr_assets.report.page.pictures import GetPicture
from mpr_assets.report.page.render import PageSettings, render_page
from mpr_assets.report.picture import NOTHING_PICTURED, Pictured, known_shifts, looks, motion_report
from mpr_assets.report.pixel_measures import GetPictures
from mpr_assets.report.placement import Surroundings, surroundings
from mpr_assets.report.refinement import Edge, EdgeTime, Refine
from mpr_assets.report.source_names import source_names
from mpr_assets.report.unlisted import unlisted_texts
from mpr_assets.stages import corrections, escalate_cloud, escalate_vlm, match_brands
from mpr_assets.timelines.chunks import timeline_ms
from mpr_assets.timelines.spec import ChunkSpec
from mpr_resources.brands.registry import Airing, BrandSighting
from mpr_resources.media.fence import fenced
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject
from mpr_resources.storage.tables import StageTable, TableHeader, hash_of
from mpr_resources.yaml_files.load import load_file
from mpr_resources.yaml_files.read import read_file

CODE_VERSION = "6.4"

SCHEMA = MEASURED_SCHEMA

AROUND = ("field_segmentation", "detect_edges", "detect_objects")
"""Stages that tell what brands stand on."""

SPEECH = ("transcribe", "match_speech")
"""Stages that tell what is said."""

PICTURE = ("visual_properties", "motion")
"""Stages that tell what frames look like, and what moves."""

DETECTING = (match_brands.stage, escalate_vlm.stage, escalate_cloud.stage, corrections.stage)
"""Stages whose detections make up the report."""

STAGE_OF_SOURCE = {source: one.name for one in DETECTING for source in one.detection_sources}


class CompileReportSettings(ExposureSettings, MeasureSettings, PageSettings, StageSettings):
    """What is an exposure, what counts, and how much the page carries."""

    source_addresses: bool = Field(
        False,
        description="true: the report names videos by their whole path or address; false: by name, as they were given",
    )
    refine_edges: bool = Field(
        False,
        description="true: the source's frames between two samples are looked at for when an exposure starts and ends",
    )
    rate_card: str | None = Field(
        None,
        min_length=1,
        description="file with what advertising costs, relative to the profiles folder; none: nothing is said in money",
    )
    exports: tuple[FormatName, ...] = Field(
        (), description="formats in which the report is stored besides csv, json and the page"
    )


@dataclass(frozen=True)
class ReportFiles:
    """Everything the stage makes; the same bytes for the same input (the page also has the stages' seconds).

    Attributes:
        files: what `mpr_assets.exports` makes, by the names that they have in the storage.
    """

    exposures: pl.DataFrame
    brands: pl.DataFrame
    files: Mapping[str, bytes]
    report_html: str


NO_OBJECTS = pl.DataFrame()


def _no_times(_stages: Sequence[str]) -> Mapping[str, StageTime]:
    return {}


def _no_frame(key: str) -> bytes:
    raise MissingObject(f"{key} is not stored", "give where it is read from")


def compile_report(
    detections: pl.DataFrame,
    frames: pl.DataFrame,
    scenes: pl.DataFrame,
    chunks: pl.DataFrame,
    settings: CompileReportSettings,
    subject: Subject,
    picture: GetPicture,
    motion: Motion = still,
    pictures: GetPictures | None = None,
    refine: Refine | None = None,
    around: Surroundings = NOTHING_AROUND,
    card: RateCard | None = None,
    times: Callable[[Sequence[str]], Mapping[str, StageTime]] = _no_times,
    read: Callable[[str], bytes] = _no_frame,
    heard: Heard = NOTHING_HEARD,
    objects: pl.DataFrame = NO_OBJECTS,
    pictured: Pictured = NOTHING_PICTURED,
) -> ReportFiles:
    """Compile a timeline's report.

    Args:
        detections: rows of the stages of `DETECTING`, one below the other; rows without a brand are left out.
        frames: rows of `extract_frames`. scenes: rows of `filter_scenes`. chunks: rows of `timeline`.
        settings: of this stage.
        subject: names, the brands looked for, what each stage did.
        picture: gives a frame for the page, None where it is no longer stored.
        motion: of the picture between kept frames.
        pictures: gives many in their order, to measure them; None: one by one.
        refine: looks up edges between samples; None: they stay where the samples have them.
        around: what else was found on frames; it tells what brands stand on.
        card: the user's rate card; None: nothing is said in money.
        times: of the stages. read: gives the bytes of a frame by its key; both for exports that hold them.
        heard: what was said. objects: rows of `objects_of`. pictured: what frames look like, and what moves in them.

    Raises:
        ValueError: the tables do not fit together.
        BadInput: the card weighs a placement that there is not.
    """
    if card is not None:
        refuse_unknown_placements(card, settings.possible_placements)
    found = exposures(detections, frames, scenes, chunks, settings, motion, refine)
    spans = frame_spans(frames, scenes, chunks)
    stream = pictures or (lambda seqs: ((seq, picture(seq)) for seq in seqs))
    measured = measure(found, detections, frames, spans, chunks, settings, stream, around, motion, card)
    unlisted = unlisted_texts(detections, frames, scenes, chunks, settings)
    said = mentions(heard), captions(heard)
    seen = looks(pictured.looks, spans), motion_report(pictured.motion, spans, scenes)
    rule = settings.counting_rule
    beside = on_screen(objects, spans, measured.exposures, timeline_ms(chunks))
    report = build_report(
        subject, measured, detections, frames, spans, chunks, unlisted, rule, card, said, beside, seen
    )
    page = render_page(report, spans, picture, settings, subject.stage_of_source)
    marks = partial(marks_of, measured.exposures, detections, frames, spans)
    tables = ReportTables(report, measured.exposures, measured.brands, Behind(marks, times, read, page.encode))
    return ReportFiles(
        exposures=measured.exposures,
        brands=measured.brands,
        files={FORMATS[name].stored_name: FORMATS[name].make(tables) for name in _formats(settings)},
        report_html=page,
    )


PAGE = "report.html"
ALWAYS: tuple[FormatName, ...] = ("json", "csv")
"""Formats in which every report is stored."""


def _formats(settings: CompileReportSettings) -> list[FormatName]:
    return list(dict.fromkeys([*ALWAYS, *settings.exports]))


def _report_holds(run: StageRun[CompileReportSettings], _header: TableHeader) -> bool:
    """Whether the files are there, and tell of the stages as they are stored now.

    A stage may have been made anew by other settings with an equal result: the exposures stay, what is said of their
    origin does not.
    """
    names = [PAGE, *(FORMATS[name].stored_name for name in _formats(run.settings))]
    if not all(run.storage.exists(Keys.report(run.timeline, name)) for name in names):
        return False
    report = json.loads(run.storage.get(Keys.report(run.timeline, "report.json")))
    sources = run.stored("timeline").rows["source"].to_list()
    if [one["source"] for one in report["chunks"]] != _shown(run, sources):
        return False
    told = report["stages"]
    now = [one.model_dump(mode="json", exclude={"seconds"}) for one in _stages(run)]
    for own in (told[-1], now[-1]):  # the fingerprint has these by their meaning; a setting may have been added since
        del own["settings"], own["settings_hash"]
    return bool(told == now)


def _shown(run: StageRun[CompileReportSettings], sources: list[str]) -> list[str]:
    """What the report calls these sources, which are paths or addresses."""
    if run.settings.source_addresses:
        return sources
    # The spec may name other videos by now than those of the timeline's table.
    names = source_names([*run.spec.chunks, *(ChunkSpec(source=source) for source in sources)])
    return [names[source] for source in sources]


def _stages(run: StageRun[CompileReportSettings]) -> list[StageProvenance]:
    """What each stage did, this one last."""
    settings = run.settings.model_dump(mode="json")
    mine = StageProvenance(
        stage=run.stage,
        status="materialized",
        settings_hash=hash_of(settings),
        settings=settings,
        overrides=run.overrides.record(),
        code_version=stage.code_version,
    )
    return [*(_provenance(run, table) for table in run.stored_upstream(stage.inputs)), mine]


def _provenance(run: StageRun[CompileReportSettings], table: StageTable) -> StageProvenance:
    header = table.header
    return StageProvenance(
        stage=header.stage,
        status="materialized" if header.skipped is None else "skipped",
        reason=header.skipped or "",
        settings_hash=hash_of(header.settings),
        settings=header.settings,
        overrides=header.overrides,
        code_version=header.code_version,
        model=header.model,
        counts={"rows": table.rows.height},
        seconds=run.seconds_of(header),
    )


def _overview(run: StageRun[CompileReportSettings], table: StageTable) -> Overview:
    return overview(table.rows, run.stored("timeline").rows, Keys.report(run.timeline, PAGE))


def _record(run: StageRun[CompileReportSettings], table: StageTable) -> None:
    """Tell the registry of brands which aired in the timeline, and when; what models named is proposed to it."""
    registry = run.profiles.registry
    if registry is None or table.header.skipped is not None:
        return
    spans = table.rows.group_by("brand", maintain_order=True).agg(
        pl.col("source").first(), pl.col("start_ms").min(), pl.col("end_ms").max()
    )
    found = [
        BrandSighting(brand, source.partition("+")[0], Airing(first_ms, last_ms))
        for brand, source, first_ms, last_ms in spans.iter_rows()
    ]
    registry.record(run.timeline, run.listed().brands, found, f"run {run.run_id[:8]}")


def _refine(run: StageRun[CompileReportSettings], timeline: StageTable, frames: TableHeader) -> Refine:
    """Looks edges up in the sources, whose frames are shown as `extract_frames` showed them."""
    known = HowFramesAreShown.model_fields.keys() & frames.settings.keys()  # a table of before has fewer
    shown = HowFramesAreShown(**{name: frames.settings[name] for name in known})

    def refine(edges: Sequence[Edge]) -> list[EdgeTime | None]:
        try:
            looking = fenced(tuple[int, EdgeTime | None], looked_up, edges, timeline.rows, run.sources, shown)
            found = run.tracked(looking, len(edges), "edges")
            times = dict(found)
        except BadInput as error:
            raise BadInput(
                f"When exposures start and end cannot be looked up in the video: {str(error).rstrip('.')}",
                "set compile_report.refine_edges=false to leave them as exact as the samples are",
            ) from error
        return [times[number] for number in range(len(edges))]

    return refine


def _rate_card(run: StageRun[CompileReportSettings]) -> Path:
    assert run.settings.rate_card is not None
    return run.profiles.folder / run.settings.rate_card


def _depends_on(run: StageRun[CompileReportSettings]) -> dict[str, str]:
    card = {} if run.settings.rate_card is None else {"rate_card": sha256(read_file(_rate_card(run))).hexdigest()}
    return {"looked_for": run.brand_list().version, **card}


@declare_stage(
    name="compile_report",
    description="Exposures, statistics, exports and the report page, with frames as evidence.",
    group="report",
    kinds={"polars", "parquet"},
    settings=CompileReportSettings,
    schema=SCHEMA,
    columns=COLUMN_MEANINGS
    | {
        "best_h": "height, in px, of the brand's box in the frame that proves the exposure best",
        "best_seq": "seq of the frame that proves the exposure best",
        "best_w": "width, in px, of the brand's box in that frame",
        "best_x": "left edge, in px, of the brand's box in that frame",
        "best_y": "upper edge, in px, of the brand's box in that frame",
        "detections": "detections that the exposure is made of",
        "exposure": "number of the exposure among those of its brand",
        "frames": "frames that the exposure is seen on",
        "max_area_share": "largest share of the frame that the brand's boxes cover, 0 to 1",
        "max_confidence": "confidence of the surest detection, 0 to 1",
        "mean_area_share": "mean share of the frame that the brand's boxes cover, 0 to 1",
        "media": "the source that the exposure begins in",
        "media_end_ms": "end of the exposure on its source's clock",
        "media_start_ms": "start of the exposure on its source's clock",
        "brand": "the brand",
        "chunk": "number of the chunk that the exposure begins in",
        "confidence": "mean confidence of the detections, 0 to 1",
        "start_ms": "start of the exposure on the timeline's clock",
        "end_ms": "end of the exposure, which does not belong to it, on the timeline's clock",
        "seen_ms": "time of the exposure in which the brand was found, in ms",
        "inferred_ms": "time of the exposure in which a mark was away and came back, in ms; not in seen_ms",
        "inferred": "the spans in which it was away, as START-END in ms of the timeline's clock",
        "start_uncertainty_ms": "how far off the start may be, before or after, in ms",
        "end_uncertainty_ms": "how far off the end may be, before or after, in ms",
    },
    code_version=CODE_VERSION,
    inputs=(
        "timeline",
        "extract_frames",
        "filter_scenes",
        *AROUND,
        *PICTURE,
        *SPEECH,
        *(one.name for one in DETECTING),
    ),
    depends_on=_depends_on,
    complete=_report_holds,
    files=Keys.report,
    after=_record,
    overview=_overview,
    is_report=True,
    checks=(EXPOSURES_IN_ORDER,),
)
def stage(
    run: StageRun[CompileReportSettings],
    timeline: StageTable,
    extract_frames: StageTable,
    filter_scenes: StageTable,
    field_segmentation: StageTable,
    detect_edges: StageTable,
    detect_objects: StageTable,
    visual_properties: StageTable,
    motion: StageTable,
    transcribe: StageTable,
    match_speech: StageTable,
    **detecting: StageTable,
) -> Result:
    """The report's files into storage, the exposures as the table."""
    folder = run.frame_folder(extract_frames.header.fingerprint)
    chunks = timeline.rows.with_columns(source=pl.Series(_shown(run, timeline.rows["source"].to_list()), dtype=pl.Utf8))
    subject = Subject(
        timeline=run.timeline,
        profile=run.spec.profile,
        looked_for=[brand.name for brand in run.brand_list().brands],
        stages=_stages(run),
        frame_key=folder.key,
        stage_of_source=STAGE_OF_SOURCE,
    )
    objects = objects_of(detect_objects.rows, detecting[match_brands.stage.name].rows)
    compiled = compile_report(
        without_rejected(
            pl.concat([detecting[one.name].rows for one in DETECTING]), detecting[corrections.stage.name].rows
        ),
        extract_frames.rows,
        filter_scenes.rows,
        chunks,
        run.settings,
        subject,
        folder.read,
        picture_motion(lambda seq: folder.read(seq, decode=False), known_shifts(motion.rows)),
        folder.stream,
        _refine(run, timeline, extract_frames.header) if run.settings.refine_edges else None,
        surroundings(detect_edges.rows, objects, field_segmentation.rows),
        None if run.settings.rate_card is None else load_file(_rate_card(run), RateCard),
        partial(stage_times, run.storage, run.timeline),
        run.storage.get,
        Heard(match_speech.rows, transcribe.rows),
        objects,
        Pictured(visual_properties.rows, motion.rows),
    )
    files = {**compiled.files, PAGE: compiled.report_html.encode()}
    for name, data in files.items():
        run.storage.put(Keys.report(run.timeline, name), data)
    of_before = [one.stored_name for one in FORMATS.values() if one.stored_name not in files]
    run.storage.delete(Keys.report(run.timeline, name) for name in of_before)
    edges = pl.concat([compiled.exposures["start_uncertainty_ms"], compiled.exposures["end_uncertainty_ms"]])
    counts = {
        "exposures": compiled.exposures.height,
        "brands": compiled.brands.height,
        "edges": len(edges),
        "edges_within_100_ms": int((edges <= 100).sum()),
    }
    return Result(compiled.exposures, dict(counts))
