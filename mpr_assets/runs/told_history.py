"""The history of a timeline as it is told, to people and to programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mpr_assets.runs.history import Branch, HistoryEntry, tree


@dataclass(frozen=True)
class ShownRepeat:
    time_ms: int
    run_id: str
    who: str


@dataclass(frozen=True)
class ChangedSetting:
    setting: str
    was: object
    now: object


@dataclass(frozen=True)
class ShownEntry:
    """`reference`: what `mpr diff` takes. `below`: the entry that it was made from, in a tree of all stages. `current`:
    the stage's last one. `time_ms`: since 1970, UTC. `reads`: the number of the result read of each stage, null where
    the log has it not. `fingerprint`: hash of settings, inputs, code and model. `changed`: settings that are not as in
    the stage's result before. `counts`: rows and other figures. `note`: cleared, or why the stage was skipped.
    `repeats`: later runs that gave it back as it was stored.
    """

    reference: str
    below: str | None
    stage: str
    number: int
    current: bool
    time_ms: int
    took_ms: int | None
    reused: bool
    who: str
    run_id: str
    profile: str
    reads: dict[str, int | None]
    overrides: dict[str, object]
    changed: list[ChangedSetting]
    settings: dict[str, object]
    counts: dict[str, float]
    note: str
    data_version: str
    fingerprint: str
    code_version: str
    repeats: list[ShownRepeat]


def told_entries(timeline: str, made: Sequence[HistoryEntry], stages: Sequence[str] | None) -> list[ShownEntry]:
    """The entries as they are told: in their order, or as a tree, each after the one that it was made from.

    Args:
        stages: all of a run in order; None: the entries are of one stage, and no tree.
    """
    if stages is None:
        return [shown_entry(timeline, entry, None) for entry in made]
    return [one for branch in tree(made, stages) for one in _branch(timeline, branch, None)]


def _branch(timeline: str, branch: Branch, below: str | None) -> Iterator[ShownEntry]:
    """The entry, then those below it."""
    entry = shown_entry(timeline, branch.entry, below)
    yield entry
    for child in branch.children:
        yield from _branch(timeline, child, entry.reference)


def shown_entry(timeline: str, entry: HistoryEntry, below: str | None) -> ShownEntry:
    """An entry as it is told."""
    return ShownEntry(
        reference=f"{timeline}:{entry.stage}@{entry.number}",
        below=below,
        stage=entry.stage,
        number=entry.number,
        current=entry.current,
        time_ms=round(entry.time_s * 1000),
        took_ms=None if entry.seconds is None else round(entry.seconds * 1000),
        reused=entry.reused,
        who=entry.who,
        run_id=entry.run_id,
        profile=entry.profile,
        reads=dict(entry.parents),
        overrides=dict(entry.overrides),
        changed=[ChangedSetting(name, was, now) for name, (was, now) in entry.changed.items()],
        settings=dict(entry.settings),
        counts=dict(entry.counts),
        note=entry.note,
        data_version=entry.data_version,
        fingerprint=entry.fingerprint,
        code_version=entry.code_version,
        repeats=[ShownRepeat(round(one.time_s * 1000), one.run_id, one.who) for one in entry.again],
    )
