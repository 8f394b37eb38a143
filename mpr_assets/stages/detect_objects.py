"""The `detect_objects` stage: boxes with labels in the kept frames, logos first of all; logos are followed over frames.

The engines are in `gpu_service.routines.detect`, following is in `mpr_assets.logos`; this turns what both say into the
stage's table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl
from pydantic import Field

from gpu_service.errors import BadInput
from gpu_service.pictures import Picture
from gpu_service.routines import DebugPictures, Inference, Reference
from gpu_service.routines.detect import DETECT, LOGO_ENGINES, NAME_ENGINES, OBJECT_ENGINES, DetectSettings
from gpu_service.routines.logos.logo_set import weak_references
from gpu_service.routines.objects.queries import MOST_NAMES
from gpu_service.wire import NoItem, ObjectFinding, Quad
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.logos.following import LogoFollower
from mpr_assets.logos.searching import Searching
from mpr_assets.overlays import preview_sheet
from mpr_resources.brands.brand_file import references_hash
from mpr_resources.storage.pictures import Frame
from mpr_resources.storage.tables import StageTable, hash_of

CODE_VERSION = "3.0"

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "seq": pl.Int64,
    "x": pl.Int32,
    "y": pl.Int32,
    "w": pl.Int32,
    "h": pl.Int32,
    "quad": pl.List(pl.Float64),
    "label": pl.Utf8,
    "confidence": pl.Float64,
    "engine": pl.Utf8,
    "reference": pl.Utf8,
    "followed": pl.Boolean,
    "hint": pl.Boolean,
}


class DetectObjectsSettings(DetectSettings, StageSettings):
    """What is looked for, on which frames, and how logos are followed between them."""

    hint_threshold: float = Field(
        0.1,
        ge=0,
        le=1,
        description="logos below logo_threshold and of at least this score are hints: match_brands takes them where "
        "the brand, or something like it, is read there, and only there; 1: no hints",
    )
    search_every: int = Field(
        2,
        ge=1,
        le=50,
        description="of so many kept frames in succession at least one is searched for logos, which are followed "
        "forwards and backwards over the others; 1: all, and all where an engine finds more than logos",
    )
    search_new_detail: float = Field(
        0.3,
        gt=0,
        le=1,
        description="share of a frame's detail which, not in the last frame searched, has it searched; the first "
        "frame of a shot always is",
    )
    follow_similarity: float = Field(
        0.7,
        ge=0.3,
        le=1,
        description="correlation of its pixels at which a logo counts as still there; 1: logos are not followed",
    )

    def without_effect(self) -> dict[str, str]:
        """Of engines that are not named; of searching, where every frame is searched."""
        idle = super().without_effect()
        if not LOGO_ENGINES & set(self.engines):
            reason = f"engines is {', '.join(self.engines) or 'empty'}"
            return idle | dict.fromkeys(
                ("hint_threshold", "search_every", "search_new_detail", "follow_similarity"), reason
            )
        return idle | ({"search_new_detail": "search_every is 1"} if self.search_every == 1 else {})


def routine_settings(settings: DetectObjectsSettings, listed: Sequence[str] = ()) -> DetectSettings:
    """The part of the stage's settings that travels to the routine.

    Args:
        listed: names of the brand list, for engines that are told names and are given none by the settings.

    Raises:
        BadInput: the list has too many for such an engine.
    """
    told = {name: getattr(settings, name) for name in DetectSettings.model_fields}
    if not NAME_ENGINES & set(settings.engines) or settings.query_names:
        return DetectSettings.model_validate(told)
    if len(listed) > MOST_NAMES:
        told_names = " and ".join(sorted(NAME_ENGINES & set(settings.engines)))
        raise BadInput(
            f"The brand list has {len(listed)} brands, but {told_names} can look for no more than {MOST_NAMES}",
            "name those to look for in detect_objects.query_names",
        )
    return DetectSettings.model_validate(told | {"query_names": tuple(listed)})


def detect_objects(
    frames: Iterable[tuple[Frame, int]],
    inference: Inference,
    settings: DetectObjectsSettings,
    references: Sequence[Reference],
    listed: Sequence[str] = (),
) -> pl.DataFrame:
    """What is in each frame: a table of `SCHEMA`, boxes in pixels of the full frame, in the frames' order.

    Frames are not touched at all when no engine could find anything: logos alone are asked for and none is given.

    Args:
        frames: the kept frames in order, each with the number of its shot. Logos are not followed from shot to shot.
        listed: see `routine_settings`.

    Raises:
        BadInput: a reference or a frame cannot be read; or see `routine_settings`.
    """
    logos_alone = set(settings.engines) <= LOGO_ENGINES
    if not references and logos_alone:
        return pl.DataFrame(schema=SCHEMA)
    searching = Searching(settings.search_every if logos_alone else 1, settings.search_new_detail)
    follower = LogoFollower(settings.logo_threshold, settings.follow_similarity)
    found: list[tuple[int, ObjectFinding, bool, bool]] = []
    lenient = {"logo_threshold": min(settings.logo_threshold, settings.hint_threshold)}
    asked = routine_settings(settings, listed).model_copy(update=lenient)
    for frame, shot, answer in _looked_through(frames, searching, inference, asked, references):
        logos = None if answer is None else [one for one in answer if one.engine in LOGO_ENGINES]
        follower.step(frame.seq, shot, frame.picture.pixels, logos)
        found += [(frame.seq, one, False, False) for one in answer or () if one.engine not in LOGO_ENGINES]
    found += [(one.seq, one.finding, one.followed, one.hint) for one in follower.finish()]
    rows = [
        (seq, *f.box.xywh, _flat(f.quad), f.label, f.confidence, f.engine, f.reference, *how) for seq, f, *how in found
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("seq", "label", "x", "y", "w", "h", maintain_order=True)


def _looked_through(
    frames: Iterable[tuple[Frame, int]],
    searching: Searching,
    inference: Inference,
    settings: DetectSettings,
    references: Sequence[Reference],
) -> Iterator[tuple[Frame, int, tuple[ObjectFinding, ...] | None]]:
    """All frames in order, each with its shot and what a search of it found; None: it is not searched."""
    waiting: deque[tuple[Frame, int]] = deque()

    def searched() -> Iterator[tuple[int, Picture, NoItem]]:
        for frame, shot in frames:
            waiting.append((frame, shot))
            if searching.next(shot, frame.picture.pixels):
                yield frame.seq, frame.picture, NoItem()

    for seq, answer in inference.map(DETECT, searched(), settings, references):
        while waiting[0][0].seq != seq:
            yield *waiting.popleft(), None
        yield *waiting.popleft(), answer.objects
    while waiting:
        yield *waiting.popleft(), None


def _flat(quad: Quad | None) -> list[float] | None:
    """The corners' x and y. Those outside the frame stay there: how much of the logo it cuts off is of interest."""
    return None if quad is None else [round(value, 2) for corner in quad for value in corner]


def weak_sentences(settings: DetectObjectsSettings, references: Sequence[Reference]) -> tuple[str, ...]:
    """What a user is told of references that are weak, where an engine that uses them as they are is named."""
    if not LOGO_ENGINES & set(settings.engines):
        return ()
    return tuple(weak.sentence for weak in weak_references(references))


def _listed(run: StageRun[DetectObjectsSettings]) -> list[str]:
    """Names of the brand list, where an engine is told them."""
    asked = NAME_ENGINES & set(run.settings.engines)
    return sorted({brand.name for brand in run.brand_list().brands}) if asked else []


def _what_finds(run: StageRun[DetectObjectsSettings]) -> dict[str, str]:
    asked = routine_settings(run.settings, _listed(run))
    what = {"model": run.inference.identity(DETECT, asked), "references": references_hash(run.references())}
    from_list = asked.query_names != run.settings.query_names
    return what | ({"looked_for": hash_of(list(asked.query_names))} if from_list else {})


def _debug(run: StageRun[DetectObjectsSettings], frame: Frame, _inputs: Mapping[str, StageTable]) -> DebugPictures:
    settings, references = routine_settings(run.settings, _listed(run)), run.references()
    return run.inference.debug(DETECT, frame.picture, NoItem(), settings, references)[1]


@declare_stage(
    name="detect_objects",
    description="Finds logos by reference pictures, and objects, each with its box.",
    group="regions",
    kinds={"opencv", "inference", "parquet"},
    settings=DetectObjectsSettings,
    schema=SCHEMA,
    columns={
        "quad": "corners of the logo in its pose, clockwise from its own top left: x and y in px of the frame; null: "
        "only its box is known",
        "engine": "what found it",
        "reference": "the reference picture that was found; empty: none",
        "followed": "whether it was followed to this frame from another by its pixels; false: found by a search of it",
        "hint": "whether it is a logo below logo_threshold, which counts only where its brand is read there",
    },
    code_version=CODE_VERSION,
    inputs=("extract_frames", "filter_scenes"),
    depends_on=_what_finds,
    draw=preview_sheet.boxes("label", objects=OBJECT_ENGINES),
    debug=_debug,
    per_frame=True,
    reads_annotations=True,
)
def stage(run: StageRun[DetectObjectsSettings], extract_frames: StageTable, filter_scenes: StageTable) -> Result:
    """Logos and objects of each kept frame."""
    references = run.references()
    shots: dict[int, int] = dict(filter_scenes.rows.select("seq", "shot").iter_rows())
    frames = ((frame, shots[frame.seq]) for frame in run.kept_frames(extract_frames, filter_scenes))
    weak = weak_sentences(run.settings, references)
    for sentence in weak:
        run.log(sentence)
    objects = detect_objects(frames, run.inference, run.settings, references, _listed(run))
    kinds = {name: int(objects[name].sum()) for name in ("followed", "hint")}
    counts: dict[str, int | float] = {
        "objects": objects.height - kinds["hint"],
        "followed": kinds["followed"],
        "hints": kinds["hint"],
        "references": len(references),
    }
    return Result(objects, counts, notes=weak)
