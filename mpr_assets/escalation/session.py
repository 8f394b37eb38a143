"""Reuses names that a model answered for later texts of the timeline that contain them, without another request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mpr_assets.escalation.candidates import (
    EscalationSettings,
)
from mpr_assets.escalation.pictures import CropView
from mpr_assets.text.name_index import NameIndex
from mpr_assets.text.names import Tolerance
from mpr_resources.brands.brand_file import Brand
from mpr_resources.brands.folding import fold_key
from mpr_resources.cloud.asking import Outcome
from mpr_resources.cloud.prompt import Answer

SESSION_LETTERS = 4
"""Names of at least so many letters are known from one text to the next."""


def ask_in_turn(
    shown: Sequence[CropView], ask: Callable[[Sequence[CropView]], Sequence[Outcome]], settings: EscalationSettings
) -> list[Outcome]:
    """What became of each, in their order: those whose text may bear the name of an earlier one are asked after it.

    Names answered surely enough are the timeline's session: a later text that bears one of them, as whole words read
    well enough, is that brand's, and is not asked about. So a name read now well and now badly, or with more words
    around it, is asked about once. The threshold is one of its own: another `min_confidence` asks nothing anew.
    """
    given: dict[int, Outcome] = {}
    texts = [one.group.text for one in shown]
    later = set() if settings.session_confidence is None else _later(texts)
    first = [number for number in range(len(shown)) if number not in later]
    given |= zip(first, ask([shown[number] for number in first]), strict=True)
    session = _Session(given.values(), settings.session_confidence or 0.0)
    given |= {number: known for number in later if (known := session.answer(texts[number])) is not None}
    rest = [number for number in sorted(later) if number not in given]
    if rest:
        given |= zip(rest, ask([shown[number] for number in rest]), strict=True)
    return [given[number] for number in range(len(shown))]


def _later(texts: Sequence[str]) -> set[int]:
    """The texts, by number, that have another one among their words, or that read like one before them."""
    first: dict[str, int] = {}
    for number, text in enumerate(texts):
        if len(fold_key(text)) >= SESSION_LETTERS:
            first.setdefault(text, number)
    index = NameIndex([Brand(name=text) for text in first], Tolerance())
    index.read(first)
    later = set()
    for number, text in enumerate(texts):
        if text in first:
            words = len(index[text].folded.words)
            for hit in index[text].hits:
                if hit.end - hit.start < words or first[hit.name.brand] < number:
                    later.add(number)
    return later


class _Session:
    """The names that a model has answered of a timeline, each with the surest answer."""

    def __init__(self, given: Iterable[Outcome], confidence: float) -> None:
        self._known: dict[str, Outcome] = {}
        for one in given:
            answer = one.answer
            if answer is None or answer.outcome != "brand" or answer.confidence < confidence:
                continue
            key = fold_key(answer.brand)
            before = self._known.get(key)
            if len(key) >= SESSION_LETTERS and (
                before is None or before.answer is None or before.answer.confidence < answer.confidence
            ):
                self._known[key] = one
        self._index = NameIndex([Brand(name=key) for key in sorted(self._known)], Tolerance())

    def answer(self, text: str) -> Outcome | None:
        """The answer that holds for this text too; None where it bears none of the names."""
        hits = [hit for hit in self._index[text].hits if not hit.unsure]
        if not hits:
            return None
        best = max(hits, key=lambda hit: (hit.score, hit.name.letters, hit.name.brand))
        known = self._known[best.name.brand]
        assert known.answer is not None
        sure = known.answer.confidence * best.score
        answer = Answer(outcome="brand", brand=known.answer.brand, confidence=sure, text=text)
        return Outcome(answer, known.model, why="session")
