from __future__ import annotations

import io
from datetime import date, datetime
from urllib.parse import quote

import polars as pl
import pytest

from mpr_assets.across.asset import JOB, store_history
from mpr_assets.across.brand_history import AIRINGS, days_of
from mpr_assets.across.brand_history_page import MOST_ROWS, history_page
from mpr_assets.definitions import BY_NAME, definitions
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec
from mpr_resources.media.sources import Sources
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import MissingObject, Storage
from mpr_resources.storage.tables import StageTable, to_parquet
from tests.mpr_assets.evidence.results import header
from tests.mpr_assets.report.tables import chunks
from tests.world import BRAND, TIMELINE, World

CHANGED_S = datetime(2026, 5, 4, 12).timestamp()
REGISTERED_S = datetime(2026, 6, 1, 12).timestamp()


def changed(address: str) -> float:
    if address == "gone.mp4":
        raise MissingObject("gone.mp4 is not there")
    return CHANGED_S


DAYS: dict[str, tuple[str, str | None, tuple[date, str] | None]] = {
    "recorded": ("a.mp4", "2026-03-01T23:59:00", (date(2026, 3, 1), "recorded_at")),
    "recorded elsewhere": ("a.mp4", "2026-03-01T23:59:00-08:00", (date(2026, 3, 1), "recorded_at")),
    "not said": ("a.mp4", None, (date(2026, 5, 4), "file")),
    "the file is gone": ("gone.mp4", None, (date(2026, 6, 1), "registration")),
}
"""The source, its time of recording, and the day with what it is known from."""


@pytest.mark.parametrize("case", DAYS)
def test_the_day_of_a_source(case: str) -> None:
    source, recorded_at, expected = DAYS[case]
    sources = pl.DataFrame(
        [("match", 0, source, recorded_at)],
        {"timeline": pl.String, "chunk": pl.Int32, "source": pl.String, "recorded_at": pl.String},
        orient="row",
    )
    [row] = days_of(sources, changed, {"match": REGISTERED_S}).select("day", "day_from").rows()
    assert row == expected


def store_of(tmp_path: object, *timelines: tuple[str, str, str | None, list[tuple[str, int, int]]]) -> Storage:
    """A storage with timelines: name, profile, time of recording, and exposures (brand, start_ms, end_ms).

    Each is of a source of its own."""
    storage = Storage.open(str(tmp_path))
    for name, profile, recorded_at, exposures in timelines:
        chunk = ChunkSpec(source=f"{name}.mp4", recorded_at=recorded_at)
        storage.put(
            Keys.spec(name), TimelineSpec(name=name, profile=profile, chunks=(chunk,)).model_dump_json().encode()
        )
        schema = dict(BY_NAME["compile_report"].schema)
        rows = [
            {"brand": brand, "exposure": number, "start_ms": start, "end_ms": end, "chunk": 0, "media": "a.mp4"}
            | {"media_start_ms": start, "media_end_ms": end, "seen_ms": end - start, "inferred_ms": 0}
            for number, (brand, start, end) in enumerate(exposures)
        ]
        tables = {
            "compile_report": pl.DataFrame(rows, schema=schema),
            "timeline": chunks((f"{name}.mp4", 0, 7_200_000)),
        }
        for stage, table in tables.items():
            storage.put(Keys.table(stage, name), to_parquet(StageTable(table, header(stage))))
    return storage


def test_without_a_timeline_there_is_an_empty_table_and_a_page_that_says_so(tmp_path: object) -> None:
    stored = store_history(Storage.open(str(tmp_path)), BY_NAME, Sources())
    assert stored.airings.schema == pl.Schema(AIRINGS)
    assert stored.airings.is_empty()
    page = Storage.open(str(tmp_path)).get(stored.page).decode()
    assert "No brand is in any report yet." in page


def test_airings_are_by_day_brand_programme_and_timeline(tmp_path: object) -> None:
    storage = store_of(
        tmp_path,
        ("round_1", "soccer", "2026-03-01T20:45", [("Acme", 0, 1500), ("Acme", 9000, 9500), ("Zarn", 0, 700)]),
        ("round_2", "soccer", "2026-03-08T20:45", [("Acme", 500, 1500)]),
        ("late_night", "news", "2026-03-08T23:59:30", [("Acme", 0, 1000), ("Acme", 40_000, 41_000)]),
    )
    stored = store_history(storage, BY_NAME, Sources())
    columns = ("day", "brand", "profile", "timeline", "exposures", "screen_ms", "first_ms", "last_ms")
    assert stored.airings.select(columns).rows() == [
        (date(2026, 3, 1), "Acme", "soccer", "round_1", 2, 2000, 0, 9500),
        (date(2026, 3, 1), "Zarn", "soccer", "round_1", 1, 700, 0, 700),
        (date(2026, 3, 8), "Acme", "news", "late_night", 1, 1000, 0, 1000),
        (date(2026, 3, 8), "Acme", "soccer", "round_2", 1, 1000, 500, 1500),
        (date(2026, 3, 9), "Acme", "news", "late_night", 1, 1000, 40_000, 41_000),
    ]
    assert stored.airings["day_from"].unique().to_list() == ["recorded_at"]
    assert pl.read_parquet(io.BytesIO(storage.get("reports/brand_history.parquet"))).equals(stored.airings)


def test_the_page_has_every_brand_the_longest_first_with_links_to_the_reports(tmp_path: object) -> None:
    storage = store_of(
        tmp_path,
        ("größe", "soccer", "2026-03-01T20:45", [("Acme", 0, 1500), ("<b>Zarn</b>", 0, 9700)]),
        ("round_2", "news", "2026-03-04T20:45", [("Acme", 500, 1500)]),
    )
    stored = store_history(storage, BY_NAME, Sources())
    page = storage.get(stored.page).decode()
    assert page.index("&lt;b&gt;Zarn&lt;/b&gt;") < page.index("<bdi>Acme</bdi>")
    assert f'href="{quote("größe")}/report.html"' in page
    assert 'd="M1 40v-40h8v40zM31 40v-27h8v27z"' in page, "Acme on the first and on the fourth day, 1.5 and 1 s"
    assert "<bdi>soccer</bdi> 1.5 s, <bdi>news</bdi> 1.0 s" in page
    assert "<script" not in page
    assert page == history_page(stored.airings)


def test_of_a_brand_with_many_airings_the_latest_are_listed(tmp_path: object) -> None:
    row = {name: 0 for name, kind in AIRINGS.items() if kind == pl.Int64}
    said = {"day_from": "file", "brand": "Acme", "profile": "news", "source": "a.mp4"}
    rows = [
        {**row, **said, "day": date.fromordinal(730_000 + number), "timeline": f"t{number}"}
        for number in range(MOST_ROWS + 5)
    ]
    page = history_page(pl.DataFrame(rows, schema=AIRINGS))
    assert page.count("/report.html") == MOST_ROWS
    assert "… and 5 earlier, in brand_history.parquet" in page
    assert "t4/report" not in page


def test_the_asset_makes_it_from_what_the_timelines_have(world: World) -> None:
    result = definitions(world.environ).resolve_job_def(JOB).execute_in_process(instance=world.instance)
    assert result.success
    [made] = [one for one in result.all_events if one.is_step_materialization]
    told = {name: value.value for name, value in made.step_materialization_data.materialization.metadata.items()}
    assert (told["brands"], told["timelines"], told["dagster/row_count"]) == (1, 1, 1)
    rows = pl.read_parquet(io.BytesIO(world.storage.get(Keys.across("brand_history.parquet"))))
    assert rows.select("brand", "timeline", "profile", "day_from").rows() == [(BRAND, TIMELINE, "board", "file")]
    assert BRAND in world.storage.get(Keys.across("brand_history.html")).decode()
