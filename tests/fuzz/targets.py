"""What is fuzzed: each parser of the project that reads what strangers write, with seeds and what may come of it.

A target takes bytes and returns, or raises an `MprError` or a `Refusal`, which are sentences. All else is a fault.
Nothing here imports atheris: `tests.test_found_by_fuzzing` runs what was found through the same functions.
"""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from pydantic import ValidationError

from gpu_service.errors import MprError
from gpu_service.host.app import _parse as parse_body
from gpu_service.host.bodies import BodyBudget, check_picture, read_parts
from gpu_service.host.config import ServiceConfig
from gpu_service.host.refusals import Refusal
from gpu_service.pictures import encode_jpeg, encode_png, size_px
from gpu_service.routines.detect import DETECT
from gpu_service.routines.ocr.routine import OCR
from gpu_service.routines.preprocess import PREPROCESS
from gpu_service.sound import decode_wav, encode_wav
from gpu_service.svg_process import Unusable
from gpu_service.svg_process import read as read_svg
from mpr_api.webhook import BucketEvent, noticed_keys
from mpr_assets.annotations.followed import VideoFrames
from mpr_assets.annotations.truth_files import read_truth_file, with_boxes
from mpr_assets.automation.new_media import MediaFile, timeline_spec
from mpr_assets.corrections.correction_files import read_correction_file
from mpr_assets.definitions import SECTIONS
from mpr_assets.timelines.spec import parse_chunk, recorded_time, validate_timeline_name
from mpr_live.sources.parameter_sets import SEQUENCE, sequence_parameters
from mpr_live.sources.rtmp_messages import COMMAND, Messages, amf, chunked, values
from mpr_resources.brands.brand_file import BrandFile, check_names
from mpr_resources.cloud.prompt import read_answers
from mpr_resources.profiles.profile import profile_model
from mpr_resources.storage.tables import from_parquet
from mpr_resources.yaml_files.load import load_model

SENTENCES = (MprError, Refusal)
_PICTURE = np.zeros((16, 16, 3), np.uint8)
_MODEL = profile_model(SECTIONS)
_HOST = ServiceConfig(preload={})
_FOLDER = Path(tempfile.mkdtemp(prefix="mpr-fuzz-"))
_VIDEOS = [VideoFrames("a.mp4", np.arange(0, 4000, 40), 4000, [(0, 4000, 0)])]


@dataclass(frozen=True)
class Target:
    """A parser. `seeds`: inputs to begin with."""

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]

    def __call__(self, data: bytes) -> None:
        """Raises what is no sentence."""
        try:
            self.parse(data)
        except SENTENCES as error:
            str(error).encode()  # what is printed must be printable


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A parser of files, as one of bytes."""
    path = _FOLDER / name

    def parse(data: bytes) -> object:
        path.write_bytes(data)
        return read(path)

    return parse


def _brand_file(data: bytes) -> object:
    brands = load_model("b.yaml", data, BrandFile).brands
    return check_names(brands, "b.yaml")


def _sidecar(data: bytes) -> object:
    return timeline_spec(MediaFile("cup/a.mp4", "v", None), "/media/cup/a.mp4", data, _FOLDER).model_dump_json()


def _names(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for parse in (validate_timeline_name, parse_chunk, recorded_time):
        try:
            parse(text)
        except SENTENCES as error:
            str(error)


def _multipart(data: bytes) -> object:
    async def stream() -> Any:
        for at in range(0, len(data), 100):
            yield data[at : at + 100]

    request: Any = SimpleNamespace(headers={"content-type": "multipart/form-data; boundary=b"}, stream=stream)

    async def read() -> object:
        with BodyBudget(2**24).lease() as lease:
            return await read_parts(request, _HOST, lease)

    return asyncio.run(read())


def _bodies(data: bytes) -> None:
    for routine in (PREPROCESS, OCR, DETECT):
        for message in (routine.call, routine.single_call):
            try:
                parse_body(message, data, "body")
            except SENTENCES as error:
                str(error)


def _webhook(data: bytes) -> object:
    with suppress(ValidationError):
        return [key.encode() for key in noticed_keys(BucketEvent.model_validate_json(data), "media", "in/")]
    return None


def _answers(data: bytes) -> None:
    with suppress(ValueError):
        read_answers(data.decode("utf-8", "replace"), 2)


def _rtmp(data: bytes) -> None:
    """What a stranger sends to a port that waits for an encoder."""
    left = io.BytesIO(data)

    def read(size: int) -> bytes:
        part = left.read(size)
        if len(part) < size:
            raise EOFError
        return part

    messages = Messages(read)
    messages.takes_media = True
    with suppress(EOFError):
        for message in messages:
            values(message.body)


def _picture(data: bytes) -> None:
    check_picture(data, 0, _HOST)
    size_px(data)


def _svg(data: bytes) -> None:
    with suppress(Unusable):
        read_svg(data)


_RTMP_COMMAND = chunked(COMMAND, amf("connect", 1.0, {"app": "live", "inner": {"a": None}}))
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">%s</svg>'
_CALL = {"settings": {}, "items": [{"crops": [{"box": {"x": 0, "y": 0, "w": 4, "h": 4}}]}], "references": []}
_RECORD = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "media"}, "object": {"key": "in/a.mp4"}}}

TARGETS: Mapping[str, Target] = {
    "brands": Target(
        _brand_file,
        (b"brands:\n- Acme\n- {name: Fly, aliases: [Flyy], exclude: [Fl], logos: [a.png]}\n", b"brands: [&a x, *a]\n"),
    ),
    "sidecars": Target(
        _sidecar, (b"profile: cup\nchunks: [0-1, 00:00:02-00:00:03]\nstream: 1\nrecorded_at: 2026-01-02T03:04:05Z\n",)
    ),
    "settings": Target(
        lambda data: load_model("p.yaml", data, _MODEL),
        (b"description: x\nextract_frames: {fps: 2.5}\nrun_ocr: {enabled: true}\ndetect_objects: {engines: []}\n",),
    ),
    "names": Target(_names, (b"match-1", b"00:10:00.040-00:12:30", b"2026-01-02T03:04:05+01:00")),
    "truth_csv": Target(
        _file("t.csv", lambda path: read_truth_file(path, 4000)),
        (b"brand,start_s,end_s,kind,note\nAcme,0,1,,\n",),
    ),
    "truth_boxes": Target(
        _file("x.csv", lambda path: with_boxes(read_truth_file(_truth(), 4000), path, 4000)),
        (b"brand,at_s,x,y,w,h\nAcme,0.5,1,2,3,4\n",),
    ),
    "truth_cvat": Target(
        _file("t.xml", lambda path: read_truth_file(path, 4000, lambda: _VIDEOS)),
        (
            b'<annotations><version>1.1</version><meta><task><size>100</size></task></meta><track id="0" label="Acme">'
            b'<box frame="0" outside="0" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="4"/>'
            b'<box frame="9" outside="1" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="4"/>'
            b"</track></annotations>",
        ),
    ),
    "truth_coco": Target(
        _file("t.json", lambda path: read_truth_file(path, 4000, lambda: _VIDEOS)),
        (
            b'{"videos":[{"id":1,"name":"a.mp4"}],"categories":[{"id":1,"name":"Acme"}],"tracks":[{"id":1,"category_id":1,'
            b'"video_id":1}],"images":[{"id":1,"video_id":1,"frame_index":0,"file_name":"a"}],"annotations":[{"id":1,'
            b'"image_id":1,"category_id":1,"track_id":1,"bbox":[1,2,3,4]}]}',
        ),
    ),
    "corrections": Target(
        _file("c.csv", read_correction_file),
        (b"timeline,action,brand,to,at_s,start_s,end_s,x,y,w,h\nmatch,add,Acme,,1,0,1,1,2,30,40\n",),
    ),
    "bodies": Target(
        _bodies,
        (
            json.dumps(_CALL).encode(),
            b'{"image_b64": "AAAA", "item": {"quads": [[[0,0],[1,0],[1,1],[0,1]]]}, "settings": {"threads": 1.0}}',
        ),
    ),
    "multipart": Target(
        _multipart,
        (
            b'--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n{}\r\n--b\r\n'
            b"Content-Disposition: form-data; "
            b'name="picture"; filename="p"\r\n\r\nPPP\r\n--b--\r\n',
        ),
    ),
    "webhook": Target(_webhook, (json.dumps({"Records": [_RECORD]}).encode(),)),
    "answers": Target(
        _answers,
        (b'{"answers": [{"picture": 1, "outcome": "brand", "brand": "Acme", "confidence": 0.9, "text": "x"}]}',),
    ),
    "picture_headers": Target(
        _picture,
        (encode_png(_PICTURE), encode_jpeg(_PICTURE), cv2.imencode(".webp", _PICTURE)[1].tobytes()),
    ),
    "svg": Target(
        _svg,
        (
            _SVG % b'<path d="M2 2h20v8z"/>',
            _SVG % b'<defs><g id="a"/></defs><use href="#a"/><image href="data:image/png;base64,AA=="/>',
            _SVG % b"<style>a{fill:url(#a)}</style>",
        ),
    ),
    "rtmp": Target(_rtmp, (_RTMP_COMMAND, b"\x43" + _RTMP_COMMAND[1:], _RTMP_COMMAND + bytes([0xC3]) + bytes(64))),
    "parameter_sets": Target(
        lambda data: [sequence_parameters(codec, data) for codec in SEQUENCE],
        (b"\0\0\1\x67abc\0\0\1\x68d\0\0\1\x65picture", b"\0\0\0\1\x40\1\0\0\1\x42\1"),
    ),
    "wav": Target(decode_wav, (encode_wav(np.zeros(16, np.int16)),)),
    "tables": Target(lambda data: from_parquet(data, "stages/x/y.parquet"), (b"PAR1\x00\x00PAR1",)),
}


def _truth() -> Path:
    path = _FOLDER / "truth.csv"
    path.write_bytes(b"brand,start_s,end_s,kind,note\nAcme,0,1,,\n")
    return path
