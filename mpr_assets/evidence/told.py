"""Why a brand is in the report, or is not, as it is told: to people and to programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpr_assets.engine.stage_run import StageRun
from mpr_assets.evidence.found import FoundDetection, FoundExposure
from mpr_assets.evidence.loss import remedy_commands
from mpr_assets.evidence.makers import Maker
from mpr_assets.evidence.remedies import Remedy
from mpr_assets.evidence.why import Why
from mpr_assets.evidence.why_not import WhyNot

PASSED = "passed"
"""The word for what did not yet lose the brand."""


@dataclass(frozen=True)
class ProvingFrame:
    """`seq`: of the frame that was looked at. `stands_for`: of the sampled frame that it stands for: the same, or a
    near-duplicate. `at_ms`, `source_ms`: its time on the timeline's clock, and on its video's. `bridged`: at the time
    asked for nothing was found; this frame is the nearest with a detection. `stored_at`: where its picture lies.
    """

    seq: int
    stands_for: int
    shot: int
    at_ms: int
    source: str
    source_ms: int
    width_px: int
    height_px: int
    bridged: bool
    stored_at: str


@dataclass(frozen=True)
class ShownMaker:
    """`settings`: all of them; `not_default`: the names of those that differ from the defaults. `overrides`: settings
    of the run that were not the profile's. `run_id`: of the Dagster run that made the table, and `number` of the result
    as `mpr history` counts; null where this event log has none. `made_ms`: since 1970, UTC.
    """

    stage: str
    profile: str
    settings: dict[str, object]
    not_default: list[str]
    overrides: dict[str, object]
    model: str
    code_version: str
    fingerprint: str
    data_version: str
    run_id: str | None
    number: int | None
    who: str
    made_ms: int | None
    skipped: str | None

    @classmethod
    def of(cls, maker: Maker) -> ShownMaker:
        same = {name: getattr(maker, name) for name in cls.__dataclass_fields__ if name != "made_ms"}
        plain = {name: dict(same[name]) for name in ("settings", "overrides")}
        return cls(**{**same, **plain, "not_default": list(maker.not_default)}, made_ms=maker.time_ms)


@dataclass(frozen=True)
class ToldWhy:
    """`screen_ms`: of all `exposures` together; `exposure` is the one explained. `detections`: of the brand on `frame`,
    each with what it was made from. `made_by`: the stages in the order of a run.
    """

    timeline: str
    brand: str
    screen_ms: int
    exposures: list[FoundExposure]
    exposure: FoundExposure
    frame: ProvingFrame
    detections: list[FoundDetection]
    made_by: list[ShownMaker]
    notes: list[str]


def told_why(run: StageRun, answer: Why) -> ToldWhy:
    """The answer as it is told. `run`: see `why`."""
    proof = answer.proof
    shown = proof.moment
    return ToldWhy(
        timeline=run.timeline,
        brand=proof.brand,
        screen_ms=proof.screen_ms,
        exposures=proof.exposures,
        exposure=proof.exposure,
        frame=ProvingFrame(
            seq=shown.kept_seq,
            stands_for=shown.seq,
            shot=shown.shot,
            at_ms=shown.frame_ms,
            source=shown.source,
            source_ms=shown.source_ms,
            width_px=shown.width_px,
            height_px=shown.height_px,
            bridged=proof.bridged,
            stored_at=run.storage.where(answer.frame),
        ),
        detections=proof.detections,
        made_by=[ShownMaker.of(one) for one in answer.made],
        notes=list(answer.notes),
    )


@dataclass(frozen=True)
class ShownRemedy:
    """A single setting that would have let the brand through, and the value nearest to `now` that would."""

    stage: str
    setting: str
    now: bool | int | float
    needed: bool | int | float


@dataclass(frozen=True)
class ShownLoss:
    """`reason`: a word, listed in docs/evidence.md. `commands`: what would let it through, as one types it: those of
    the remedies, then others.
    """

    stage: str
    reason: str
    sentence: str
    remedies: list[ShownRemedy]
    commands: list[str]


@dataclass(frozen=True)
class ShownLine:
    """`box`: in px. `nearest`: words of the text that are most like a name of the brand; `edits`: how many part them
    from it; `rule`: why they are not taken for it; empty where they are.
    """

    line: int
    text: str
    confidence: float
    box: list[int]
    nearest: str
    name: str
    edits: int
    rule: str


@dataclass(frozen=True)
class ToldWhyNot:
    """`on_screen`: whether the report has the brand at the time, so that nothing was lost. `seq`: the frame whose time
    it is, and `looked_at` the one that stands for it; null where there is none. `passed`: what happened on the way.
    `losses`: where it was lost, the one on the way that got farthest first. `lines`: what was read on the frame, the
    nearest first.
    """

    timeline: str
    brand: str
    at_ms: int
    on_screen: bool
    seq: int | None
    looked_at: int | None
    passed: list[ShownLoss]
    losses: list[ShownLoss]
    lines: list[ShownLine]


def told_why_not(timeline: str, at_ms: int, answer: WhyNot) -> ToldWhyNot:
    """The answer as it is told."""
    found = answer.lost
    seq = found.moment.kept_seq if found.moment else None
    return ToldWhyNot(
        timeline=timeline,
        brand=found.brand,
        at_ms=at_ms,
        on_screen=found.exposure is not None,
        seq=found.moment.seq if found.moment else None,
        looked_at=seq,
        passed=[_shown(timeline, one.stage, PASSED, one.sentence, one.remedies, (), seq) for one in found.passed],
        losses=[
            _shown(timeline, one.stage, one.reason, one.sentence, one.remedies, one.commands, seq)
            for one in found.losses
        ],
        lines=[
            ShownLine(one.line, one.text, one.confidence, list(one.box), one.nearest, one.name, one.edits, one.rule)
            for one in found.lines
        ],
    )


def _shown(
    timeline: str,
    stage: str,
    reason: str,
    sentence: str,
    remedies: Sequence[Remedy],
    commands: Sequence[str],
    seq: int | None,
) -> ShownLoss:
    shown = [ShownRemedy(one.stage, one.setting, one.now, one.needed) for one in remedies]
    return ShownLoss(stage, str(reason), sentence, shown, [*remedy_commands(timeline, remedies, seq), *commands])
