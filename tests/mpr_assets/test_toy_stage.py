"""A stage is one file and one line: a toy is added to a copy of the house in that way, and used as any other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gpu_service.pictures import decode
from mpr_assets.definitions import ROOT
from mpr_resources.storage.keys import Keys
from mpr_resources.storage.store import Storage
from mpr_resources.storage.tables import StageTable, from_parquet
from tests.world import NAMES

TOY = "bright_box"
COMMANDS = """
import contextlib, io, json, sys
from mpr_cli import app

said = []
for argv in json.load(sys.stdin):
    sys.argv = ["mpr", *argv]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            app.main()
        except SystemExit as end:
            status = end.code or 0
    said.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(said))
"""

Mpr = Callable[..., list[tuple[int, str, str]]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The house with the toy: its file among the stages, and one line more in `definitions.py`."""
    house = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "mpr_assets", house / "mpr_assets", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("gpu_service", "mpr_resources", "mpr_cli", "dagster.yaml"):
        (house / name).symlink_to(ROOT / name)
    shutil.copy(Path(__file__).with_name("toy_stage.py"), house / "mpr_assets" / "stages" / f"{TOY}.py")
    definitions = house / "mpr_assets" / "definitions.py"
    line = '        "filter_scenes",\n'
    before = definitions.read_text()
    assert before.count(line) == 1
    definitions.write_text(before.replace(line, f'{line}        "{TOY}",\n'))
    return house


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands keep things; each test leaves something for the next."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def mpr(house: Path, home: Path, inputs: Path) -> Mpr:
    """Commands one after another in a process of the house: what each gives and says."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("INFERENCE_", "SKIP_"))}
    environ |= {
        "PYTHONPATH": str(house),
        "MPR_STORAGE_URL": str(home / "storage"),
        "DAGSTER_HOME": str(home / "dagster"),
        "MPR_PROFILES_DIR": str(inputs / "profiles"),
    }

    def run(*commands: Sequence[str], **variables: str) -> list[tuple[int, str, str]]:
        ran = subprocess.run(
            [sys.executable, "-c", COMMANDS],
            cwd=house,
            env=environ | variables,
            input=json.dumps(commands),
            capture_output=True,
            text=True,
            check=True,
        )
        return [(status, out, err) for status, out, err in json.loads(ran.stdout)]

    return run


def stored(home: Path) -> Storage:
    return Storage.open(str(home / "storage"))


def table(home: Path) -> StageTable:
    key = Keys.table(TOY, "match")
    return from_parquet(stored(home).get(key), key)


def state(status: str) -> str:
    [line] = [line for line in status.splitlines() if line.split()[0] == TOY]
    return " ".join(line.split()[1:])


BOARD = (0, 110, 640, 87, "bright")
BOARD_AND_PITCH = (0, 110, 640, 250, "bright")


def test_a_toy_is_run_judged_tried_shown_compared_and_cleared(mpr: Mpr, home: Path, inputs: Path) -> None:
    clip, brands = str(inputs / "clip.mp4"), str(inputs / "brands.yaml")
    done = mpr(
        ("run", clip, "--brands", brands, "--profile", "board", "--name", "match"),
        ("status", "match"),
        ("try", "match", TOY, "--set", "level=100", "--frames", "1-2", "--to", str(home / "tried")),
        ("overlay", "match", TOY, "1", "--to", str(home / "shown")),
        ("scenario", "save", "match", TOY, "before"),
        ("scenario", "check", "before"),
    )
    assert [status for status, _, _ in done] == [0] * len(done), done
    (_, _, told), (_, status, _), (_, tried, _), (_, shown, said), (_, saved, _), (_, checked, _) = done

    assert re.search(rf"^  {TOY}: 3 rows in \d+\.\d s$", told, re.M)
    assert " failed: " not in told
    made = table(home)
    assert made.rows.rows() == [(seq, *BOARD) for seq in (0, 2, 3)]
    assert made.header.settings == {"enabled": True, "level": 200}
    assert state(status) == "fresh"
    report = json.loads(stored(home).get(Keys.report("match", "report.json")))
    assert [one["stage"] for one in report["stages"]] == NAMES[:-1], "evaluation comes after it"

    assert "With level=100" in tried
    assert "Rows by frame: 0: 1, 2: 1" in tried
    pictures = [f"{seq:08d}_{name}.png" for seq in (0, 2) for name in (TOY, "mask")]
    assert sorted(path.name for path in (home / "tried").iterdir()) == sorted(pictures)
    masks = [decode((home / "tried" / name).read_bytes()) for name in pictures[1::2]]
    assert [(mask[:110].max(), mask[200:].min()) for mask in masks] == [(0, 255)] * 2, "the pitch, not what is above"

    assert shown.splitlines() == [str(home / "shown" / f"00000000_{name}.png") for name in (TOY, "mask")]
    assert said == "Frame 1 is a near-duplicate; frame 0 stands for it.\n"
    assert saved == f"before: 3 rows of {TOY}, 8 objects copied.\n"
    assert checked == f"same  before  match:{TOY}  3 the same\n"


def test_other_settings_are_seen_in_the_status_and_the_difference(mpr: Mpr, home: Path) -> None:
    (replayed, status, _), (differs, difference, _) = mpr(
        ("replay", "match", TOY, "--set", "level=100"), ("diff", "scenario:before", f"match:{TOY}")
    )
    assert (replayed, differs) == (0, 0)
    assert state(status) == "overridden made with level=100"
    assert table(home).rows.rows() == [(seq, *BOARD_AND_PITCH) for seq in (0, 2, 3)]
    assert f"\n{TOY}: 3 moved, 0 the same\n" in difference
    assert re.search(rf"^{TOY}\.level +200 +100 *$", difference, re.M)


def test_what_it_wrote_is_cleared_and_nothing_else(mpr: Mpr, home: Path) -> None:
    storage = stored(home)
    before = set(storage.list(""))
    mine = {key for key in before if TOY in key.split("/") or key.startswith("cache/timelines/match/masks/")}
    mine = {key for key in mine if not key.startswith("scenarios/")}
    assert {key.split("/")[0] for key in mine} == {"stages", "cache"}
    assert {key.split("/")[3] for key in mine if key.startswith("cache/")} == {"masks", "overlays"}
    [(_, cleared, _), (_, status, _)] = mpr(("clear", "match", TOY, "--yes"), ("status", "match"))
    assert cleared == f"{len(mine)} objects deleted.\n"
    assert set(storage.list("")) == before - mine
    assert state(status) == "missing"


def test_the_environment_switches_it_off(mpr: Mpr, home: Path) -> None:
    [(status, said, _)] = mpr(("replay", "match", TOY), SKIP_BRIGHT_BOX="1")
    assert (status, table(home).rows.height) == (0, 0)
    assert state(said) == "fresh skipped: SKIP_BRIGHT_BOX=1 is set"
