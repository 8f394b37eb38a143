"""`make eval` on a clip of two seconds, both sides in their processes."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream

from bench.clips import main


def lettering(path: Path) -> None:
    """Two seconds, of which the second has the word VELQUORA."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(10), options={"threads": "1"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
        for number in range(20):
            picture = np.full((270, 480, 3), 40, np.uint8)
            if number >= 10:
                cv2.putText(picture, "VELQUORA", (60, 150), cv2.FONT_HERSHEY_DUPLEX, 2, (255, 255, 255), 4)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))


def test_both_sides_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clips" / "lettering"
    clip.mkdir(parents=True)
    lettering(clip / "lettering.mp4")
    (clip / "truth.csv").write_text("brand,start_s,end_s,kind,note\nVelquora,1.0,2.0,text,\n")
    monkeypatch.setattr("sys.argv", ["clips", str(clip.parent), "--keep", str(tmp_path / "kept")])
    assert main() == 0
    *_, last = capsys.readouterr().out.splitlines()
    told = json.loads(last)
    assert (told["clips"], told["mean_f1"], told["plain_mean_f1"], told["false_s"]) == (1, 1.0, 1.0, 0.0)
    assert told["user_s"] > 0
    assert told["plain_user_s"] > 0
    assert [one["count"] for one in told["reliability"]] == [1], "the other frame is its near-duplicate"
    assert (tmp_path / "kept" / "lettering" / "run_ocr.parquet").exists()
