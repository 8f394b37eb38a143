from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mpr_cli.app import COMMANDS, CommandInfo
from mpr_cli.doctor import CHECKS, found
from mpr_cli.exit_status import FAILED
from tests.gpu_service.live import free_port
from tests.mpr_cli.conftest import Mpr
from tests.web_server import handing_out

REFUSING = f"http://127.0.0.1:{free_port()}"


def checks(said: str) -> dict[str, tuple[bool, str]]:
    return {one["check"]: (one["ok"], one["detail"]) for one in json.loads(said)["checks"]}


def test_all_is_well(mpr: Mpr, home: Path) -> None:
    lines = mpr("doctor").splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in CHECKS]
    assert all(ok for ok, _ in checks(mpr("doctor", "--json")).values())
    assert [path for path in (home / "storage").rglob("*") if path.is_file()] == [], "what was written is deleted"


def test_a_web_server_that_hands_out_the_storage(mpr: Mpr, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with handing_out(home / "storage") as web:
        monkeypatch.setenv("MPR_STORAGE_WEB_URL", web)
        ok, said = checks(mpr("doctor", "--json"))["storage"]
    assert ok
    assert said.endswith("; MPR_STORAGE_WEB_URL hands it out")


def test_opencv_for_a_display_on_a_machine_without(mpr: Mpr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file', name='cv2')")
    monkeypatch.syspath_prepend(tmp_path)
    for module in [name for name in sys.modules if name.partition(".")[0] == "cv2"]:
        monkeypatch.delitem(sys.modules, module)
    assert found("opencv", CHECKS["opencv"]).detail == (
        "OpenCV cannot be loaded (libGL.so.1: cannot open shared object file); on a machine without a display run: "
        "pip install --force-reinstall --no-deps opencv-python-headless."
    )
    monkeypatch.setitem(COMMANDS, "run", CommandInfo("cv2", "help"))
    said = mpr.said("run", "clip.mp4")
    assert (said.status, said.err) == (
        2,
        "mpr: The package cv2 cannot be loaded (libGL.so.1: cannot open shared object file); `mpr doctor` says what to "
        "do.\n",
    )


WRONG: dict[str, tuple[Mapping[str, str], str, str]] = {
    "no profiles": ({"MPR_PROFILES_DIR": "{tmp}"}, "profiles", "There is no profile in {tmp}; set MPR_PROFILES_DIR"),
    "no storage": ({"MPR_STORAGE_URL": "/dev/null/x"}, "storage", "The storage folder '/dev/null/x' cannot be made"),
    "no web server": ({"MPR_STORAGE_WEB_URL": REFUSING}, "storage", f"{REFUSING}/doctor/"),
    "another web server": ({"MPR_STORAGE_WEB_URL": "{web}/x"}, "storage", " answers 404 and not the object that was"),
    "no media": ({"MPR_MEDIA_URL": "{tmp}/none"}, "media", "MPR_MEDIA_URL names {tmp}/none, which is no folder"),
    "no host": ({"INFERENCE_URL": REFUSING}, "inference", f"{REFUSING} does not answer ("),
    "no model": (
        {"INFERENCE_MODELS": "a={tmp}/a.onnx"},
        "models",
        "names what is not there: a ({tmp}/a.onnx)",
    ),
    "no database": ({"MPR_DATABASE_URL": "sqlite:///{tmp}"}, "profiles database", "{tmp}"),
}
"""Variables, the checks that are wrong, and a part of what the last of them says."""


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_and_the_rest_is_still_checked(
    case: str, mpr: Mpr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables, wrong, says = WRONG[case]
    with handing_out(tmp_path) as web:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.format(tmp=tmp_path, web=web))
        said = mpr.said("doctor", "--json")
    assert said.status == FAILED
    found = checks(said.out)
    names = [name for name, (ok, _) in found.items() if not ok]
    assert names == wrong.split()
    assert says.format(tmp=tmp_path) in found[names[-1]][1]
