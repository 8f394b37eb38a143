"""The `match_brands` stage: text and objects become detections; the rest become candidates, each with a reason.

Names are found by `mpr_assets.text.name_index`, lines are joined by `mpr_assets.text.layout`, readings of a track are
put together by `mpr_assets.text.consensus`; this stage combines them.
A longer name claims its words, so that "Google Play" is not also "Google". A name cut off by the frame's edge is not
guessed: it is a near miss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from operator import attrgetter

import polars as pl
from pydantic import Field
from rapidfuzz.distance import LCSseq

from gpu_service.boxes import XYWH, around, overlaps
from gpu_service.errors import MprError
from gpu_service.routines.ocr.engine import OcrSettings
from mpr_assets.engine.settings import StageSettings
from mpr_assets.engine.stage import declare_stage
from mpr_assets.engine.stage_run import Result, StageRun
from mpr_assets.logos.confirming import either, is_near, reading_near
from mpr_assets.overlays import preview_sheet
from mpr_assets.text.consensus import AgreedName, Weight, agreed_names, nearest_words
from mpr_assets.text.detections import DETECTION_COLUMNS, DETECTION_SCHEMA
from mpr_assets.text.layout import (
    Line,
    Reach,
    followers,
    next_in_row,
    part_box,
    part_quad,
    pieces,
)
from mpr_assets.text.name_index import Hit, NameIndex, ParsedText
from mpr_assets.text.names import Tolerance
from mpr_assets.text.quads import outline
from mpr_assets.text.scripts import cannot_be_read
from mpr_resources.brands.brand_file import BrandList
from mpr_resources.brands.folding import fold_key
from mpr_resources.storage.tables import NamedRow, StageTable, TableHeader

CODE_VERSION = "2.3"
SCHEMA = DETECTION_SCHEMA

LOGO_ENGINES = frozenset({"logo_match", "logo_embed", "owlv2", "clip", "siglip", "dinov2"})
"""Engines whose labels are brands; those of the others are brands only where they are in the list."""


class MatchBrandsSettings(StageSettings):
    """How like a name a text must be, and how near to each other the lines of one phrase."""

    min_confidence: float = Field(
        0.5, ge=0, le=1, description="minimum confidence of a detection; below it it is a candidate"
    )
    min_confidence_short: float = Field(
        0.7, ge=0, le=1, description="the same for names short enough that they must be exact"
    )
    min_object_confidence: float = Field(
        0.0, ge=0, le=1, description="minimum confidence of a logo or an object; below it it is a candidate"
    )
    min_confirmed_confidence: float = Field(
        0.5,
        ge=0,
        le=1,
        description="minimum confidence of a hint of a logo together with what is read there; see "
        "detect_objects.hint_threshold",
    )
    exact_letters: int = Field(4, ge=1, le=20, description="maximum length of names that must match exactly")
    one_edit_letters: int = Field(7, ge=1, le=40, description="maximum length of names that may differ by one edit")
    edit_share: float = Field(0.18, ge=0, le=0.4, description="edits per letter allowed in longer names")
    sure_confidence: float = Field(
        0.9,
        ge=0,
        le=1,
        description="OCR confidence at which a short name with one letter changed counts as another word",
    )
    match_addresses: bool = Field(
        True, description="also match names as whole words within web and e-mail addresses, handles and hashtags"
    )
    join_beside_heights: float = Field(
        2.0, ge=0, le=20, description="maximum gap between lines on one baseline, in line heights"
    )
    join_far_heights: float = Field(
        20.0,
        ge=0,
        le=40,
        description="the same for the two halves of a name that stand alone in one row, alike in height and capitals, "
        "each letter right and no brand by itself; 0: none",
    )
    join_below_heights: float = Field(
        1.2, ge=0, le=10, description="maximum gap between stacked lines, in line heights"
    )
    join_height_ratio: float = Field(2.5, ge=1, le=10, description="maximum ratio of the heights of joined lines")
    max_joined_lines: int = Field(8, ge=1, le=16, description="maximum number of lines that a name may span")

    @property
    def tolerance(self) -> Tolerance:
        return Tolerance(self.exact_letters, self.one_edit_letters, self.edit_share, self.match_addresses)

    @property
    def reach(self) -> Reach:
        return Reach(self.join_beside_heights, self.join_below_heights, self.join_height_ratio)


def match_brands(
    lines: pl.DataFrame, objects: pl.DataFrame, brands: BrandList, settings: MatchBrandsSettings
) -> pl.DataFrame:
    """Detections and candidates of all frames.

    Args:
        lines: text lines, as run_ocr gives them.
        objects: objects and logos, as detect_objects gives them.
        brands: what is looked for; their order does not matter.
        settings: see `MatchBrandsSettings`.

    Returns:
        A table of `DETECTION_SCHEMA`, sorted by frame, brand (candidates last) and place. A detection is one brand at
        one place of one frame; its box is the part of the line, or of several lines, that bears the name, its
        confidence that of the reading times the likeness to the name; that of a logo beside which the name is read, or
        something like it, is higher for it. Reasons of candidates: `excluded` (the text does
        not mean the brand, or never means one), `low_confidence`, `number` (digits without letters), `too_short`
        (fewer than two letters), `near_miss:BRAND`, `no_brand`.
    """
    index = NameIndex(brands.brands, settings.tolerance, brands.languages)
    logos = _logos(objects, brands)
    texts = [_confirmed(row, logos) for row in _text_rows(lines, index, brands, settings)]
    rows = [*texts, *_object_rows(objects, lines, index, brands, settings)]
    table = pl.DataFrame(rows, schema=DETECTION_SCHEMA, orient="row")
    order = ["seq", "brand", "y", "x", "h", "w", "source", "text", "confidence", "reason", "track"]
    return table.sort(order, nulls_last=True)


class Fate(StrEnum):
    """What becomes of a name that was found in lines of a frame."""

    FOUND = "found"
    EXCLUDED = "excluded"
    """It stands in a text that does not mean the brand."""
    LOW_CONFIDENCE = "low_confidence"
    WORDS_TAKEN = "words_taken"
    """Its words are a better name's."""
    ANOTHER_WORD = "another_word"
    """It is read too surely to be a misreading of the name."""


@dataclass(frozen=True)
class NameFate:
    """A name found in lines of a frame, and what became of it. `lines`: their places in the frame, in order."""

    brand: str
    name: str
    text: str
    lines: tuple[int, ...]
    confidence: float
    fate: Fate


def name_fates(lines: pl.DataFrame, brands: BrandList, settings: MatchBrandsSettings, seq: int) -> list[NameFate]:
    """Every name that is found in a frame's lines, and why it becomes no detection where it does not.

    Args:
        lines: as for `match_brands`; of the frame, and of the others that its tracks are on.
        seq: the frame.
    """
    index = NameIndex(brands.brands, settings.tolerance, brands.languages)
    agreed = _agreed(lines, index)
    of_frame = next((frame for number, frame in _frames(lines) if number == seq), [])
    readings = [index[line.text] for line in of_frame]
    return [
        NameFate(
            brand=find.hit.name.brand,
            name=" ".join(find.hit.name.words),
            text=" ".join(of_frame[line].text for line, _, _ in find.parts),
            lines=tuple(line for line, _, _ in find.parts),
            confidence=find.confidence,
            fate=fate,
        )
        for find, fate in _resolved(_finds(of_frame, readings, agreed, index, settings), settings)
    ]


@dataclass(frozen=True)
class _Find:
    """A name found in lines of a frame: `parts` are (line, first word, end word).

    `another_word`: the lines are read too surely to be a misreading of the name.
    """

    hit: Hit
    parts: tuple[tuple[int, int, int], ...]
    confidence: float
    another_word: bool = False

    @property
    def rank(self) -> tuple[float, float, str, tuple[tuple[int, int, int], ...]]:
        """The longest first, misread letters taken off threefold; independent of the order of brands."""
        return (3 * self.hit.cost - self.hit.name.letters, self.hit.cost, self.hit.name.brand, self.parts)


Row = tuple[int, int, int, int, int, str | None, float, str, str, str, int | None, Sequence[float] | None, float | None]


def _text_rows(
    lines: pl.DataFrame, index: NameIndex, brands: BrandList, settings: MatchBrandsSettings
) -> Iterator[Row]:
    index.read(lines["text"].unique().to_list())
    if settings.max_joined_lines > 1:
        # All at once, for one by one they take much longer; each distinct text once, and frames are not kept.
        index.read({_in_one(frame, run) for _, frame in _frames(lines) for run in pieces(frame)})
    agreed = _agreed(lines, index)
    for seq, frame in _frames(lines):
        yield from _frame_rows(seq, frame, agreed, index, brands, settings)


def _frames(lines: pl.DataFrame) -> Iterator[tuple[int, list[Line]]]:
    """The lines of each frame that has any, in order."""
    columns = ("seq", "text", "confidence", "quad", "x", "y", "w", "h", "track", "reading")
    # A line that is not read looks as it did when it was.
    last = pl.col("reading").forward_fill().backward_fill().over("track")
    ordered = lines.sort("seq", "line").with_columns(reading=pl.coalesce(last, "text")).select(columns)
    for seq, rows in groupby(ordered.iter_rows(), key=lambda row: row[0]):
        yield seq, [Line(row[1], row[2], tuple(row[3]), (*row[4:8],), row[8], row[9]) for row in rows]


def _in_one(lines: Sequence[Line], run: Sequence[int]) -> str:
    return " ".join(lines[number].text for number in run)


def _agreed(lines: pl.DataFrame, index: NameIndex) -> dict[int, list[AgreedName]]:
    """By track the names that its readings agree on. A track that is on one frame alone has nothing to agree on."""
    tracks = lines.filter(pl.col("seq").n_unique().over("track") > 1).filter(pl.col("reading").str.len_chars() > 0)
    confidence = pl.col("reading_confidence")
    weights = tracks.group_by("track", "reading", maintain_order=True).agg(
        confidence.sum(), (confidence**2).sum().alias("squares"), pl.len().alias("times")
    )
    index.read(weights["reading"].unique().to_list())
    found = {}
    for track, rows in groupby(weights.sort("track").iter_rows(), key=lambda row: row[0]):
        names = agreed_names({row[1]: Weight(*row[2:]) for row in rows}, index)
        if names:
            found[track] = names
    return found


def _frame_rows(
    seq: int,
    lines: list[Line],
    agreed: Mapping[int, Sequence[AgreedName]],
    index: NameIndex,
    brands: BrandList,
    settings: MatchBrandsSettings,
) -> Iterator[Row]:
    readings = [index[line.text] for line in lines]
    reasons: dict[int, str] = {}
    taken: set[int] = set()
    detections: list[tuple[_Find, XYWH]] = []
    for find, fate in _resolved(_finds(lines, readings, agreed, index, settings), settings):
        if fate is Fate.EXCLUDED:
            reasons.update({line: "excluded" for line, _, _ in find.parts})
        elif fate is Fate.LOW_CONFIDENCE:
            for number, _, _ in find.parts:
                reasons.setdefault(number, "low_confidence")
        if fate is not Fate.FOUND:
            continue
        box = around([part_box(lines[line], readings[line].folded, start, end) for line, start, end in find.parts])
        taken.update(line for line, _, _ in find.parts)
        if not any(one.hit.name.brand == find.hit.name.brand and overlaps(box, other) for one, other in detections):
            detections.append((find, box))
            text = " ".join(lines[line].text for line, _, _ in find.parts)
            track = lines[find.parts[0][0]].track
            quads = [part_quad(lines[line], readings[line].folded, start, end) for line, start, end in find.parts]
            found = (find.hit.name.brand, find.confidence, "ocr", text, "", track)
            yield (seq, *box, *found, outline(quads), _legibility(find, lines))
    for number, (line, reading) in enumerate(zip(lines, readings, strict=True)):
        if number not in taken:
            low = line.confidence < settings.min_confidence
            never = "excluded" if brands.never_means_one(line.text) else ""
            reason = reasons.get(number) or never or ("low_confidence" if low else reading.reason)
            left = (None, line.confidence, "ocr", line.text, reason, line.track)
            yield (seq, *line.box, *left, outline([line.quad]), None)


def _finds(
    lines: Sequence[Line],
    readings: Sequence[ParsedText],
    agreed: Mapping[int, Sequence[AgreedName]],
    index: NameIndex,
    settings: MatchBrandsSettings,
) -> list[_Find]:
    """Every name in the lines of a frame."""
    return [
        *(
            _find(hit, ((number, hit.start, hit.end),), lines, settings)
            for number, reading in enumerate(readings)
            for hit in reading.hits
        ),
        *_joined_finds(lines, readings, index, settings),
        *_row_finds(lines, readings, index, settings),
        *_agreed_finds(lines, readings, agreed, settings),
    ]


def _legibility(find: _Find, lines: Sequence[Line]) -> float:
    """The share of the name's letters that this frame's readings have, in their order."""
    parts = [lines[line] for line, _, _ in find.parts]
    if all(part.reading == part.text for part in parts):
        return round(find.hit.score, 4)
    read = "".join(fold_key(part.reading) for part in parts)
    return round(LCSseq.similarity(find.hit.name.key, read) / find.hit.name.letters, 4)


def _find(
    hit: Hit, parts: tuple[tuple[int, int, int], ...], lines: Sequence[Line], settings: MatchBrandsSettings
) -> _Find:
    """The hit as a find in these lines."""
    confidences = [lines[line].confidence for line, _, _ in parts]
    another_word = hit.unsure and min(confidences) >= settings.sure_confidence
    weights = [end - start for _, start, end in parts]
    mean = sum(c * weight for c, weight in zip(confidences, weights, strict=True)) / sum(weights)
    return _Find(hit, parts, min(mean * hit.score, 1.0), another_word)


def _agreed_finds(
    lines: Sequence[Line],
    readings: Sequence[ParsedText],
    agreed: Mapping[int, Sequence[AgreedName]],
    settings: MatchBrandsSettings,
) -> Iterator[_Find]:
    """Names that the readings of a line's track agree on, where what the line itself says is not the name."""
    for number, (line, reading) in enumerate(zip(lines, readings, strict=True)):
        for one in agreed.get(line.track, ()) if line.track is not None and reading.folded.words else ():
            name = one.hit.name
            if any(hit.name.brand == name.brand for hit in reading.hits):
                continue
            start, end = nearest_words(reading.folded.words, name.key)
            another_word = one.hit.unsure and one.confidence >= settings.sure_confidence
            hit = replace(one.hit, start=start, end=end)
            yield _Find(hit, ((number, start, end),), one.confidence * one.hit.score, another_word)


def _joined_finds(
    lines: Sequence[Line], readings: Sequence[ParsedText], index: NameIndex, settings: MatchBrandsSettings
) -> Iterator[_Find]:
    """Names that go over several lines."""
    parts = [number for number, reading in enumerate(readings) if reading.opens or reading.closes]
    if settings.max_joined_lines < 2 or not any(
        index.over(lines[a].text, lines[b].text) for a in parts for b in parts if a != b
    ):
        return
    after = followers([lines[number] for number in parts], settings.reach)
    nexts = {number: [parts[to] for to in after[at]] for at, number in enumerate(parts)}
    letters = {number: len(readings[number].folded.key) for number in parts}
    paths: list[tuple[tuple[int, ...], frozenset[int] | None]] = [((number,), None) for number in parts]
    while paths:
        path, names = paths.pop()
        inner = sum(letters[number] for number in path[1:])
        if len(path) == settings.max_joined_lines or (names and inner > index.longest_of(names)):
            continue
        for number in nexts[path[-1]]:
            over = index.over(lines[path[-1]].text, lines[number].text)
            common = over if names is None else names & over
            if common and number not in path:
                longer = (*path, number)
                paths.append((longer, common))
                yield from _finds_along(longer, common, lines, readings, index, settings)


def _row_finds(
    lines: Sequence[Line], readings: Sequence[ParsedText], index: NameIndex, settings: MatchBrandsSettings
) -> Iterator[_Find]:
    """Names in rows: over pieces of one line, which is read as one again, and of two words that stand far apart."""
    for run in pieces(lines) if settings.max_joined_lines > 1 else ():
        whole = index[_in_one(lines, run)]
        if len(whole.folded.words) == sum(len(readings[number].folded.words) for number in run):
            for hit in whole.hits:
                parts = _parts(run, hit, readings)
                if len(parts) > 1:
                    yield _find(hit, parts, lines, settings)
    for a, b in next_in_row(lines, settings.join_far_heights) if settings.max_joined_lines > 1 else ():
        names = index.over(lines[a].text, lines[b].text)
        if not names or readings[a].hits or readings[b].hits or lines[a].text.isupper() != lines[b].text.isupper():
            continue
        words = sum(len(readings[number].folded.words) for number in (a, b))
        for hit in index.joined((lines[a].text, lines[b].text), names):
            alone = (hit.start, hit.end) == (0, words)
            if alone and not hit.cost:
                yield _find(hit, _parts((a, b), hit, readings), lines, settings)


def _parts(path: Sequence[int], hit: Hit, readings: Sequence[ParsedText]) -> tuple[tuple[int, int, int], ...]:
    """The words of each line, of several in succession, that a hit in all of them has; lines without any left out."""
    parts, before = [], 0
    for number in path:
        count = len(readings[number].folded.words)
        start, end = max(hit.start - before, 0), min(hit.end - before, count)
        if start < end:
            parts.append((number, start, end))
        before += count
    return tuple(parts)


def _finds_along(
    path: tuple[int, ...],
    names: frozenset[int],
    lines: Sequence[Line],
    readings: Sequence[ParsedText],
    index: NameIndex,
    settings: MatchBrandsSettings,
) -> Iterator[_Find]:
    for hit in index.joined(tuple(lines[number].text for number in path), names):
        find = _find(hit, _parts(path, hit, readings), lines, settings)
        boxes = [lines[number].box for number in path]
        # A word that is broken off at the end of a line goes on in the next; pieces in a row are `pieces`' to find.
        broken = hit.end - hit.start > len(hit.name.words)
        if not (broken or hit.one_above_other) or all(map(_is_above, boxes, boxes[1:])):
            yield find


def _is_above(box: XYWH, other: XYWH) -> bool:
    """Whether the other begins below the middle of the first."""
    return other[1] > box[1] + box[3] // 2


def _resolved(finds: list[_Find], settings: MatchBrandsSettings) -> Iterator[tuple[_Find, Fate]]:
    """What becomes of each find, in the order in which they may take words; excluded texts are not given."""
    excluded = [find for find in finds if find.hit.name.excluded and not find.another_word]
    used: set[tuple[int, int]] = set()
    for find in sorted(finds, key=attrgetter("rank")):
        name = find.hit.name
        if name.excluded:
            continue
        words = _words(find)
        short = name.letters <= settings.exact_letters
        if find.another_word:
            yield find, Fate.ANOTHER_WORD
        elif any(one.hit.name.brand == name.brand and words & _words(one) for one in excluded):
            yield find, Fate.EXCLUDED
        elif find.confidence < (settings.min_confidence_short if short else settings.min_confidence):
            yield find, Fate.LOW_CONFIDENCE
        elif words & used:
            yield find, Fate.WORDS_TAKEN
        else:
            used |= words
            yield find, Fate.FOUND


def _words(find: _Find) -> set[tuple[int, int]]:
    return {(line, word) for line, start, end in find.parts for word in range(start, end)}


def _logos(objects: pl.DataFrame, brands: BrandList) -> dict[tuple[int, str], list[tuple[XYWH, float]]]:
    """Boxes and confidences of logos, hints too, by frame and brand."""
    found: dict[tuple[int, str], list[tuple[XYWH, float]]] = {}
    rows = objects.filter(pl.col("engine").is_in(sorted(LOGO_ENGINES)))
    for seq, label, confidence, *box in rows.select("seq", "label", "confidence", "x", "y", "w", "h").iter_rows():
        brand = brands.named(label)
        found.setdefault((seq, brand.name if brand else label), []).append(((*box,), confidence))
    return found


def _confirmed(row: Row, logos: Mapping[tuple[int, str], Sequence[tuple[XYWH, float]]]) -> Row:
    """A row of a text, the surer where its brand's logo is near."""
    box = (row[1], row[2], row[3], row[4])
    near = [sure for logo, sure in logos.get((row[0], row[5] or ""), ()) if is_near(logo, box)]
    return (*row[:6], round(either(row[6], max(near)), 4), *row[7:]) if near else row


def _object_rows(
    objects: pl.DataFrame, lines: pl.DataFrame, index: NameIndex, brands: BrandList, settings: MatchBrandsSettings
) -> Iterator[Row]:
    """Logos, and objects whose label names a brand. Other objects are no candidates: a person is no brand unread.

    A logo near which its brand is read is the surer for it; a hint of one counts with such a reading alone.
    """
    seqs = objects.filter(pl.col("engine").is_in(sorted(LOGO_ENGINES)))["seq"].unique()
    read = dict(_frames(lines.filter(pl.col("seq").is_in(seqs.implode()))))
    for row in objects.iter_rows(named=True):
        is_logo, label = row["engine"] in LOGO_ENGINES, row["label"]
        brand = brands.named(label)
        any_label = is_logo and (brands.any_logo or not brands.brands) and not brands.never_means_one(label)
        if brand is None and not any_label:
            continue
        name, confidence = brand.name if brand else label, row["confidence"]
        if is_logo:
            box = (row["x"], row["y"], row["w"], row["h"])
            reading = reading_near(box, name, read.get(row["seq"], ()), index)
            confidence = round(either(confidence, reading), 4)
            if row.get("hint") and (not reading or confidence < settings.min_confirmed_confidence):
                continue
        yield _object_row(row, name, confidence, "logo" if is_logo else "object", settings)


def _object_row(row: NamedRow, brand: str, confidence: float, source: str, settings: MatchBrandsSettings) -> Row:
    low = confidence < settings.min_object_confidence
    place = (row["seq"], row["x"], row["y"], row["w"], row["h"])
    found = (None if low else brand, confidence, source, "", "low_confidence" if low else "", None)
    return (*place, *found, row["quad"], None)


@declare_stage(
    name="match_brands",
    description="Matches text and objects with the brands; unresolved ones become candidates with a reason.",
    group="brands",
    kinds={"polars", "parquet"},
    settings=MatchBrandsSettings,
    schema=DETECTION_SCHEMA,
    columns=DETECTION_COLUMNS,
    code_version=CODE_VERSION,
    inputs=("run_ocr", "detect_objects"),
    depends_on=lambda run: {"brands": run.brand_list().version},
    draw=preview_sheet.boxes("brand"),
    per_frame=True,
    detection_sources=("ocr", "logo", "object"),
)
def stage(run: StageRun[MatchBrandsSettings], run_ocr: StageTable, detect_objects: StageTable) -> Result:
    """Detections and candidates."""
    brands = run.brand_list()
    lines, objects = run.limited(run_ocr.rows), run.limited(detect_objects.rows)
    found = match_brands(lines, objects, brands, run.settings)
    detections = found.filter(pl.col("brand").is_not_null())
    unread = _cannot_be_read(run, run_ocr.header, brands)
    for sentence in unread:
        run.log(sentence)
    return Result(
        found,
        {
            "detections": detections.height,
            "candidates": found.height - detections.height,
            "brands_found": detections["brand"].n_unique(),
            "brands_looked_for": len(brands.brands),
            "texts_never_a_brand": len(brands.never),
        },
        notes=unread,
    )


def _cannot_be_read(run: StageRun[MatchBrandsSettings], ocr: TableHeader, brands: BrandList) -> tuple[str, ...]:
    """Sentences on the names that the engine that read the lines cannot write."""
    if ocr.skipped is not None:
        return ()
    used = {name: value for name, value in ocr.settings.items() if name in OcrSettings.model_fields}
    try:
        return cannot_be_read(brands.brands, run.inference, OcrSettings.model_validate(used))
    except MprError as error:
        # Nothing of the result hangs on it.
        return (f"Which names the engine of run_ocr cannot write is not known: {error}",)
