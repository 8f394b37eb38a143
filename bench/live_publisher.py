"""An encoder that publishes by RTMP in real time: `python -m bench.live_publisher ADDRESS`, told what to do on stdin.

Each picture shows its number, counted by the clock from the start on, as bars along its top, so that a recording tells
which pictures it has and which it lacks; and a brand for the first three of every eight seconds. Broken off, it comes
again after 0.3 s. `cut 5`: it is away for so many seconds; `size`: it begins again with another size; `jump`: its clock
goes on an hour later; `mute`: its sound ends; `nokey 20`: no keyframe for so long. What it has done is in no log.
"""

from __future__ import annotations

import sys
import threading
import time
from fractions import Fraction

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import PictureType
from av.video.stream import VideoStream

from bench.live_world import BRAND
from gpu_service.pictures import Image

FPS = 25
BITS = 20
BARS_PX = 32
SIZES = (640, 360), (800, 450)
SHOWN_S, EVERY_S = 3, 8
AGAIN_S = 0.3
RATE = 16_000


def is_shown(number: int) -> bool:
    """Whether the picture of this number has the brand."""
    return number // FPS % EVERY_S < SHOWN_S


def drawn(number: int, size: tuple[int, int] = SIZES[0]) -> Image:
    """The picture of this number."""
    width, height = SIZES[0]
    picture = np.full((height, width, 3), (90, 70, 60), np.uint8)
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    picture[:BARS_PX] = np.repeat(np.array(bits, np.uint8) * 255, width // BITS)[None, :, None]
    if is_shown(number):
        cv2.rectangle(picture, (0, 150), (width, 236), (250, 250, 250), -1)
        cv2.putText(picture, BRAND, (100, 210), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 4, cv2.LINE_AA)
    return picture if size == SIZES[0] else np.asarray(cv2.resize(picture, size), np.uint8)


def number_of(picture: Image) -> int:
    """The number that a picture shows, at any size."""
    height, width = picture.shape[:2]
    row = picture[round(BARS_PX * height / SIZES[0][1] / 2)]
    middles = [round(width * (2 * bit + 1) / (2 * BITS)) for bit in range(BITS)]
    return sum(int(row[at].mean() > 128) << bit for bit, at in enumerate(middles))


class Publisher:
    """What it was told, and what it does with each connection."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._began_s = time.time()
        self._size = 0
        self._jump_ms = 0
        self._again = False
        self._muted = False
        self._away_until_s = self._no_key_until_s = 0.0
        self._last_dts_ms = -1

    def told(self, words: list[str]) -> None:
        match words:
            case ["cut", seconds]:
                self._away_until_s, self._again = time.time() + float(seconds), True
            case ["size"]:
                self._size, self._again = 1 - self._size, True
            case ["jump"]:
                self._jump_ms += 3_600_000
            case ["mute"]:
                self._muted = True
            case ["nokey", seconds]:
                self._no_key_until_s = time.time() + float(seconds)

    @property
    def _number(self) -> int:
        return int((time.time() - self._began_s) * FPS)

    def run(self) -> None:
        """Until stdin ends."""
        print(self._began_s, flush=True)
        threading.Thread(target=self._publish, daemon=True).start()
        for line in sys.stdin:
            self.told(line.split())

    def _publish(self) -> None:
        while True:
            if time.time() < self._away_until_s:
                time.sleep(0.05)
                continue
            self._again = False
            try:
                with av.open(self._address, "w", format="flv", timeout=5.0) as container:
                    self._stream(container)
            except OSError:
                time.sleep(AGAIN_S)

    def _stream(self, container: av.container.OutputContainer) -> None:
        size = SIZES[self._size]
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": "100000", "sc_threshold": "0", "forced-idr": "1"}
        video = container.add_stream("libx264", rate=FPS, options=options)
        sound = container.add_stream("aac", rate=RATE)
        assert isinstance(video, VideoStream)
        assert isinstance(sound, AudioStream)
        (video.width, video.height), video.pix_fmt = size, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        first = last = self._number
        key_s, samples = 0.0, 0
        while not self._again:
            number = self._number
            if number == last:
                time.sleep(0.005)
                continue
            last = number
            now_s = time.time()
            frame = av.VideoFrame.from_ndarray(drawn(number, size), "bgr24")
            frame.pts, frame.time_base = number * 1000 // FPS + self._jump_ms, Fraction(1, 1000)
            if now_s - key_s >= 1 and (now_s > self._no_key_until_s or not key_s):
                key_s, frame.pict_type = now_s, PictureType.I
            container.mux(video.encode(frame))
            while not self._muted and samples < (number - first) * RATE // FPS:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                silence.sample_rate = RATE
                at = first * RATE // FPS + samples + self._jump_ms * RATE // 1000
                silence.pts, silence.time_base = at, Fraction(1, RATE)
                container.mux(sound.encode(silence))
                samples += 1024


if __name__ == "__main__":
    Publisher(sys.argv[1]).run()
