"""Why text on a frame did not become a detection of a brand: what was read there, and how far it is from a name.

It is asked of the functions of `match_brands` and `mpr_assets.text`, which decide it in a run.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mpr_assets.evidence.loss import Loss, ReadLine, Reason, edits_told, quoted
from mpr_assets.evidence.moment import StoredResults, at_frame
from mpr_assets.evidence.remedies import Remedies, Remedy
from mpr_assets.stages.match_brands import Fate, MatchBrandsSettings, NameFate, match_brands, name_fates
from mpr_assets.text.edit_cost import Mismatch, near_edits
from mpr_assets.text.name_index import NameIndex
from mpr_resources.brands.brand_file import Brand, BrandList
from mpr_resources.brands.folding import fold

OCR, MATCH = "run_ocr", "match_brands"
ALIKE_SHARE = 0.5
"""Words that differ from a name by more than so many edits a letter are not like it: no setting is looked for."""
SETTINGS = tuple(name for name in MatchBrandsSettings.model_fields if name not in ("enabled", "min_object_confidence"))
"""The settings that decide on text."""

RULES = {
    Mismatch.SHORT: "a name so short must be read letter by letter",
    Mismatch.DIGITS: "digits are not taken for other digits or letters",
    Mismatch.LOOKALIKE: "it has not as many letters as the name that looks like it",
    Mismatch.LONGER_WORD: "the name is part of a longer word",
    Mismatch.LETTER: "a letter is wrong where the name is too short for it, or one is missing or too many at an end",
    Mismatch.WORD: "more than a third of the letters of one word are wrong",
    Mismatch.TOO_FAR: "more edits than the name may have",
    Mismatch.AMONG_WORDS: "so short a name that is misread must stand alone",
    Mismatch.APOSTROPHE: "an apostrophe makes it another word",
    Mismatch.SPACE: "a space within the name makes it other words",
    Mismatch.ONE_LETTER: "a name of one letter must stand alone",
    Mismatch.COMMON_WORDS: "it is made of common words",
}
"""What is said of each rule."""


def read_lines(results: StoredResults, seq: int, brand: Brand, brands: BrandList) -> list[ReadLine]:
    """The lines of a frame, the one nearest to a name of the brand first."""
    settings = settings_of(results)
    index = NameIndex(brands.brands, settings.tolerance, brands.languages)
    lines = [_read_line(row, brand, index) for row in at_frame(results.rows(OCR), [seq]).iter_rows(named=True)]
    return sorted(lines, key=lambda one: (one.edits, one.rule != "", one.line))


def _read_line(row: dict[str, object], brand: Brand, index: NameIndex) -> ReadLine:
    text = str(row["text"])
    same = {"line": row["line"], "text": text, "confidence": row["confidence"]}
    box = tuple(row[side] for side in "xywh")
    hits = [hit for hit in index[text].hits if hit.name.brand == brand.name and not hit.name.excluded]
    if hits:
        hit = min(hits, key=lambda one: (one.cost, one.start))
        words = fold(text, repair=True).words[hit.start : hit.end]
        nearest = " ".join(word.text for word in words)
        return ReadLine(**same, box=box, nearest=nearest, name=" ".join(hit.name.words), edits=0, rule="")  # type: ignore[arg-type]
    missed = index.misses(text, brand.name)
    if not missed:
        return ReadLine(**same, box=box, nearest="", name=brand.name, edits=len(brand.name), rule="no word was read")  # type: ignore[arg-type]
    one = missed[0]
    name = " ".join(one.name.words)
    return ReadLine(**same, box=box, nearest=one.read, name=name, edits=one.edits, rule=RULES[one.why])  # type: ignore[arg-type]


def settings_of(results: StoredResults) -> MatchBrandsSettings:
    """Those that the stored result was made with."""
    return MatchBrandsSettings.model_validate(results.header(MATCH).settings)


def text_loss(results: StoredResults, seq: int, brand: Brand, brands: BrandList) -> Loss:
    """Why no text of the frame is a detection of the brand."""
    skipped = results.header(OCR).skipped
    if skipped is not None:
        return Loss(OCR, Reason.SWITCHED_OFF, f"No text was read: {skipped}.")
    lines = read_lines(results, seq, brand, brands)
    if not lines:
        return Loss(OCR, Reason.NO_TEXT, f"No text was found on frame {seq}.")
    settings = settings_of(results)
    followed = _followed(results.rows(OCR), seq)
    all_fates = name_fates(followed, brands, settings, seq)
    fates = [one for one in all_fates if one.brand == brand.name]
    near = _near(lines[0], settings)

    def lets_through(changed: MatchBrandsSettings) -> bool:
        found = match_brands(followed, results.rows("detect_objects").clear(), brands, changed)
        return not found.filter((pl.col("seq") == seq) & (pl.col("brand") == brand.name)).is_empty()

    remedies: Sequence[Remedy] = ()
    like_it = fates or near or lines[0].edits <= ALIKE_SHARE * len(lines[0].name) or _parted(lines, brand)
    if like_it and not any(one.fate is Fate.FOUND for one in fates):
        remedies = Remedies(MATCH, settings, lets_through).among(SETTINGS)
    if fates:
        return _lost_name(results, all_fates, brand, settings, seq, remedies)
    others = sorted({one.brand for one in all_fates if one.fate is Fate.FOUND and lines[0].line in one.lines})
    return _not_a_name(lines, brand, seq, near, remedies, others)


def _followed(lines: pl.DataFrame, seq: int) -> pl.DataFrame:
    """The lines of the frame, and those of its tracks on other frames."""
    here = lines.filter(pl.col("seq") == seq)
    return lines.filter((pl.col("seq") == seq) | pl.col("track").is_in(here["track"].unique().to_list()))


def _near(line: ReadLine, settings: MatchBrandsSettings) -> bool:
    return line.edits <= max(1, near_edits(len(line.name.replace(" ", "")), settings.tolerance))


def _parted(lines: Sequence[ReadLine], brand: Brand) -> bool:
    """Whether the words of a name of the brand stand in several lines."""
    read = {word.text for line in lines for word in fold(line.text, repair=True).words}
    names = [[word.text for word in fold(text).words] for text in brand.texts]
    return any(len(words) > 1 and read.issuperset(words) for words in names)


def _lost_name(
    results: StoredResults,
    fates: Sequence[NameFate],
    brand: Brand,
    settings: MatchBrandsSettings,
    seq: int,
    remedies: Sequence[Remedy],
) -> Loss:
    """The name was found in a line, and did not stand; of several the one that got farthest is told."""
    farthest = [Fate.ANOTHER_WORD, Fate.EXCLUDED, Fate.LOW_CONFIDENCE, Fate.WORDS_TAKEN, Fate.FOUND]
    mine = [one for one in fates if one.brand == brand.name]
    one = max(mine, key=lambda fate: (farthest.index(fate.fate), fate.confidence))
    read = f"“{one.text}” on frame {seq} is {brand.name}"
    match one.fate:
        case Fate.FOUND:
            replay = f"mpr replay {results.timeline} {MATCH}"
            return Loss(
                MATCH,
                Reason.OUT_OF_DATE,
                f"{read}, by the brands and the code of now: the stored result is older.",
                commands=[replay],
            )
        case Fate.EXCLUDED:
            said = ", ".join(f"“{text}”" for text in brand.exclude) or "texts that do not mean it"
            return Loss(
                MATCH, Reason.EXCLUDED, f"{read}, but stands in a text that does not mean it: {said}.", remedies
            )
        case Fate.LOW_CONFIDENCE:
            short = settings.min_confidence_short if len(one.name.replace(" ", "")) <= settings.exact_letters else None
            least = settings.min_confidence if short is None else short
            name = "min_confidence" if short is None else "min_confidence_short"
            return Loss(
                MATCH,
                Reason.BELOW_THRESHOLD,
                f"{read} at a confidence of {one.confidence:.3f}, below {name} = {least:g}.",
                remedies,
            )
        case Fate.WORDS_TAKEN:
            takers = sorted({o.brand for o in fates if o.fate is Fate.FOUND and set(o.lines) & set(one.lines)})
            return Loss(
                MATCH,
                Reason.WORDS_TAKEN,
                f"{read}, but its words are those of a better name: {', '.join(takers)}.",
            )
        case Fate.ANOTHER_WORD:
            return Loss(
                MATCH,
                Reason.ANOTHER_WORD,
                f"{read} with a letter changed, but is read so surely that it counts as another word (from "
                f"sure_confidence = {settings.sure_confidence:g} on).",
                remedies,
            )


def _not_a_name(
    lines: Sequence[ReadLine],
    brand: Brand,
    seq: int,
    near: bool,
    remedies: Sequence[Remedy],
    others: Sequence[str],
) -> Loss:
    """No line was taken for the name. `others`: the brands that were found in the nearest one."""
    best = lines[0]
    is_another = f" It is taken for {' and '.join(others)}." if others else ""
    alias = []
    if best.nearest and (near or remedies) and not others:
        alias = [f"mpr brands alias {quoted(brand.name)} {quoted(best.nearest)}"]
    if _parted(lines, brand) and not near:
        return Loss(
            MATCH,
            Reason.NEAR_MISS,
            f"The words of {brand.name} stand in several lines of frame {seq}, which were not taken for one text.",
            remedies,
        )
    if near:
        return Loss(
            MATCH,
            Reason.NEAR_MISS,
            f"A near miss: “{best.nearest}” on frame {seq} is {edits_told(best.edits)} from “{best.name}”; {best.rule}."
            f"{is_another}",
            remedies,
            alias,
        )
    count = f"{len(lines)} line{'' if len(lines) == 1 else 's'}"
    return Loss(
        MATCH,
        Reason.READ_AS,
        f"Of {count} on frame {seq} none is like {brand.name}; nearest is “{best.nearest or best.text}”, "
        f"{edits_told(best.edits)} from “{best.name}”.{is_another}",
        remedies,
        alias,
    )
