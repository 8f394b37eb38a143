"""Makes `legacy_store.tar.xz`: a storage, a DAGSTER_HOME and the profiles of a small installation of commit f0e4f48.

Run it with the code and the locked packages of that commit, in an empty folder that becomes the installation:

    git worktree add /tmp/before f0e4f48
    mkdir /tmp/legacy && cd /tmp/legacy
    PYTHONPATH=/tmp/before python …/tests/legacy/make_store.py legacy_store.tar.xz

All paths that it writes are relative to the folder, so the archive may be unpacked anywhere and used from there. No
provider is asked: the one answer of the cloud comes from the tests' own server, through the provider's client.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.clips import write_clip
from tests.cloud_server import CloudServer, said, serving

CODE = """
import socket, sys
from pathlib import Path
socket.gethostname = lambda: "laptop"
"""
"""Claims and locks bear the name of the machine."""

CLI = CODE + "from mpr_assets.cli import main\nmain()"

REGISTER = (
    CODE
    + """
import os
from mpr_assets.cli_world import dagster_instance, storage
from mpr_assets.partitions import register
from mpr_assets.timelines import ChunkSpec, TimelineSpec
name, profile, end_ms = sys.argv[1:]
chunk = ChunkSpec(source="clip.mp4", start_ms=0, end_ms=int(end_ms))
with dagster_instance() as instance:
    register(instance, storage(), TimelineSpec(name=name, profile=profile, chunks=(chunk,)))
"""
)
"""`mpr timeline create`, but with the path as it is given."""

STALE_CLAIM = (
    CODE
    + """
import time
import numpy as np
from mpr_assets.cli_world import storage
from mpr_resources.answers import Answers, Likeness, Look, family_of
from mpr_resources.questions import PROMPT_HASH
family = family_of("anthropic/claude-haiku-5-5", PROMPT_HASH)
answers = Answers(storage(), family, Likeness(10, 9.0), clock=lambda: time.time() - 86_400)
assert answers.claim(Look(np.full((40, 120, 3), 77, np.uint8)), 60.0)
"""
)
"""A claim on a question whose process was killed a day ago."""

PROFILE = """# Boards along a pitch.
description: two boards
brands: brands.yaml
logos: logos

extract_frames: {fps: 2}

# Small letters in a small picture.
run_ocr:
  heat_threshold: 0.25
  line_threshold: 0.45  # the boards are clear
  thorough_every: 4
  read_crops: false
"""
CLOUD = """
escalate_cloud:
  enabled: true
  crops_per_request: 1
  max_requests_run: 20
"""
PRICES = "anthropic/claude-haiku-5-5: {input: 0.10, output: 0.50, cached: 0.01, picture_tokens: 2500}\n"
BRANDS = "brands:\n  - {name: Korvax Tools, aliases: [Korvax]}\n  - Nowhere Airlines\n"

COMMANDS = {
    "status": ("status",),
    "status match": ("status", "match"),
    "status cloud": ("status", "cloud"),
    "status tuned": ("status", "tuned"),
    "report match": ("report", "match"),
    "report cloud": ("report", "cloud"),
    "history match": ("history", "match"),
    "history tuned": ("history", "tuned"),
    "history match run_ocr": ("history", "match", "run_ocr"),
    "costs": ("costs",),
    "costs by timeline": ("costs", "--by", "timeline"),
    "brands list": ("brands", "list"),
    "brands history": ("brands", "history"),
    "scenario list": ("scenario", "list"),
}
"""What is asked of the installation at its end, and later of its successors."""


def environ() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MPR_", "DAGSTER_"))}
    return kept | {
        "MPR_STORAGE_URL": "storage",
        "MPR_PROFILES_DIR": "profiles",
        "DAGSTER_HOME": "dagster_home",
        "LOGNAME": "ann",
        "COLUMNS": "200",
        "TZ": "UTC",
    }


def python(code: str, *argv: str, **more: str) -> str:
    """Run code of the old commit here; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], env=environ() | more, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def draw(path: Path) -> None:
    """Three seconds: a pitch with two boards, a still, then a slow pan."""
    pictures = []
    for at in range(30):
        picture = np.full((270, 480, 3), (90, 70, 60), np.uint8)
        picture[170:] = (50, 150, 40)
        left = -max(0, at - 12) * 2
        cv2.rectangle(picture, (left, 90), (left + 235, 160), (250, 250, 250), -1)
        cv2.rectangle(picture, (left + 245, 90), (left + 520, 160), (120, 20, 20), -1)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, "Korvax Tools", (left + 46, 134), font, 0.9, (20, 20, 20), 2, cv2.LINE_AA)
        cv2.putText(picture, "NORDWIND", (left + 270, 136), font, 1.2, (250, 250, 250), 3, cv2.LINE_AA)
        pictures.append(picture)
    write_clip(path, pictures, fps=10)
    os.utime(path, (1_780_000_000, 1_780_000_000))


def logo(path: Path) -> None:
    """A reference picture of a brand that is not in the clip."""
    path.parent.mkdir(parents=True)
    picture = np.full((64, 64, 3), 255, np.uint8)
    cv2.circle(picture, (32, 32), 24, (0, 0, 200), 6)
    cv2.line(picture, (12, 50), (50, 12), (0, 120, 0), 5)
    cv2.putText(picture, "NA", (12, 42), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    cv2.imwrite(str(path), picture)


def make() -> None:
    """The installation, in the current folder."""
    draw(Path("clip.mp4"))
    logo(Path("profiles/logos/Nowhere Airlines/a.png"))
    Path("profiles/prices").mkdir()
    Path("profiles/prices/models.yaml").write_text(PRICES)
    Path("profiles/brands.yaml").write_text(BRANDS)
    Path("profiles/boards.yaml").write_text(PROFILE)
    Path("profiles/boards_cloud.yaml").write_text(PROFILE + CLOUD)

    python(CLI, "brands", "add", "Aurelia Bank", "--alias", "Aurelia")
    python(CLI, "brands", "alias", "Aurelia Bank", "Aurelia Group")
    python(CLI, "brands", "exclude", "LIVE")

    python(REGISTER, "match", "boards", "3000")
    python(CLI, "replay", "match", "timeline")
    python(CLI, "replay", "match", "match_brands", "--set", "min_confidence=0.65")
    python(CLI, "scenario", "save", "match", "match_brands", "strict")

    python(REGISTER, "tuned", "boards", "1000")
    python(CLI, "replay", "tuned", "timeline")
    python(CLI, "replay", "tuned", "run_ocr", "--set", "line_threshold=0.6", "--set", "thorough_every=2")

    python(REGISTER, "cloud", "boards_cloud", "1000")
    with serving() as server:
        configure(server)
        python(CLI, "replay", "cloud", "timeline", **server.environ())
        assert len(server.requests) == 3, "one that failed, one again, one for the edge of the pitch"
    python(STALE_CLAIM)


def configure(server: CloudServer) -> None:
    """The provider is busy at first; its answer then names the board that no list has."""
    server.script = lambda _request, number: "503" if number == 1 else "success"
    server.answer = lambda request: said(len(request.pictures), brand="Nordwind", text="NORDWIND")


def expected() -> dict[str, Any]:
    libraries = ("opencv-python-headless", "rapidocr", "dagster", "polars")
    said_now = {name: python(CLI, *argv).splitlines() for name, argv in COMMANDS.items()}
    return {"libraries": {name: version(name) for name in libraries}, "said": said_now}


def packed(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """What goes into the archive; Dagster's settings are those of the clone, and what a run printed is not needed."""
    if re.search(r"/(compute_logs|\.telemetry|\.logs_queue|logs|overlays)$|dagster\.yaml$|-(shm|wal)$", info.name):
        return None
    info.mtime = int(info.mtime)
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def main() -> None:
    make()
    Path("expected.json").write_text(json.dumps(expected(), indent=1, ensure_ascii=False) + "\n")
    with tarfile.open(sys.argv[1], "w:xz", preset=9) as archive:
        for name in ("clip.mp4", "profiles", "storage", "dagster_home", "expected.json"):
            archive.add(name, filter=packed)


if __name__ == "__main__":
    main()
