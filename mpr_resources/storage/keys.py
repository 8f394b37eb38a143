"""The public layout of the storage: where each kind of object lies. What objects hold is not here."""

from __future__ import annotations


class Keys:
    """The public layout. Frames and crops lie under the fingerprint of what made them, so that a
    rerun with other settings never overwrites what a reader still needs."""

    @staticmethod
    def spec(timeline: str) -> str:
        return f"timelines/{timeline}.json"

    @staticmethod
    def table(stage: str, timeline: str) -> str:
        return f"stages/{stage}/{timeline}.parquet"

    @staticmethod
    def folders(timeline: str) -> list[str]:
        """Where all of a timeline lies but its spec, its tables and its progress."""
        below = (Keys.seconds, Keys.annotation, Keys.evaluation)
        named = [key(timeline, "").rpartition("/")[0] for key in below]
        return [f"cache/timelines/{timeline}", f"reports/{timeline}", *named]

    @staticmethod
    def frames(timeline: str, fingerprint: str) -> str:
        return f"cache/timelines/{timeline}/frames/{fingerprint[:16]}"

    @staticmethod
    def crops(timeline: str, fingerprint: str) -> str:
        return f"cache/timelines/{timeline}/crops/{fingerprint[:16]}"

    @staticmethod
    def vectors(timeline: str) -> str:
        """The vectors of a timeline's crops and texts; whoever misses them makes them again."""
        return f"cache/timelines/{timeline}/vectors/places/table.parquet"

    @staticmethod
    def suggestions() -> str:
        """The contact sheet of marks that are in no list."""
        return "reports/suggestions.png"

    @staticmethod
    def vector_graph(made_by: str) -> str:
        """The graph of very many timelines' vectors, by what those were made by; it can be made again."""
        return f"cache/vector_graphs/{made_by[:32]}"

    @staticmethod
    def overlay(timeline: str, run: str, stage: str, seq: int, name: str) -> str:
        return f"cache/timelines/{timeline}/overlays/{run}/{stage}/{seq:08d}_{name}.png"

    @staticmethod
    def trial(timeline: str, key: str, stage: str) -> str:
        """The pictures of one trial of a stage."""
        return f"cache/timelines/{timeline}/trials/{key[:16]}/{stage}"

    @staticmethod
    def scenario(label: str) -> str:
        return f"scenarios/{label}"

    @staticmethod
    def overlay_index(timeline: str, run: str, stage: str, seq: int) -> str:
        """Names of a frame's overlays in the order in which they are shown; written after them."""
        return f"cache/timelines/{timeline}/overlays/{run}/{stage}/{seq:08d}.json"

    @staticmethod
    def progress(timeline: str) -> str:
        """How far the stage at work is; not there where none is."""
        return f"progress/{timeline}.json"

    @staticmethod
    def seconds(timeline: str, stage: str) -> str:
        """How long a stage took to make what is stored; not in its table, which is the same however long it took."""
        return f"seconds/{timeline}/{stage}.json"

    @staticmethod
    def live(session: str, name: str) -> str:
        """What belongs to a live session: its windows, its state, its report."""
        return f"live/{session}/{name}"

    @staticmethod
    def notices() -> str:
        return "notices"

    @staticmethod
    def parts(timeline: str, stage: str) -> str:
        """What a stage that was broken off had finished, below the fingerprint of what made it."""
        return f"cache/timelines/{timeline}/parts/{stage}"

    @staticmethod
    def across(name: str) -> str:
        """A report over all timelines; each timeline's own lie in folders beside it."""
        return f"reports/{name}"

    @staticmethod
    def report(timeline: str, name: str) -> str:
        return f"reports/{timeline}/{name}"

    @staticmethod
    def annotation(timeline: str, name: str) -> str:
        """What people say of what is on screen; no run writes it."""
        return f"annotations/{timeline}/{name}"

    @staticmethod
    def source(name: str) -> str:
        """A source that somebody registered and no timeline need have."""
        return f"sources/{name}"

    @staticmethod
    def truth(timeline: str) -> str:
        return Keys.annotation(timeline, "truth.json")

    @staticmethod
    def correction(timeline: str, name: str) -> str:
        return Keys.annotation(timeline, f"corrections/{name}")

    @staticmethod
    def evaluation(timeline: str, name: str) -> str:
        return f"evaluations/{timeline}/{name}"
