"""Pixels of frames as a person sees them, from files made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from PIL import Image as PillowImage

from gpu_service.pictures import Image
from mpr_resources.media.decoding import open_media
from mpr_resources.media.pixels import BLACK, Color, color, to_pixels
from mpr_resources.media.tone_mapping import (
    HLG_A,
    HLG_B,
    HLG_C,
    LUMA_2020,
    PQ_C1,
    PQ_C2,
    PQ_C3,
    PQ_M1,
    PQ_M2,
    TO_709,
    Values,
)
from tests.clips import write_clip

GREEN: Color = (0, 255, 0)


def pixels_of(path: Path, background: Color = BLACK) -> list[Image]:
    """Every frame of the file."""
    with open_media(path) as media:
        times = media.times()
        frames = media.frames(times.pts.tolist(), times)
        behind = None if media.alpha_is_filler else background
        return [to_pixels(frame, background=behind) for frame in frames]


COLORS: dict[str, tuple[str, Color]] = {
    "a name": ("white", (255, 255, 255)),
    "in any case": ("DarkOrange", (0, 140, 255)),
    "hexadecimal": ("#102030", (48, 32, 16)),
    "short": ("#0f0", GREEN),
}


@pytest.mark.parametrize("name", COLORS)
def test_colors(name: str) -> None:
    text, expected = COLORS[name]
    assert color(text) == expected


@pytest.mark.parametrize("text", ["", "blak", "#12", "255,0,0"])
def test_what_is_no_color_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no colour: write a name such as white, or #rrggbb"):
        color(text)


ALPHA: dict[str, tuple[str, dict[str, object]]] = {
    "animation": ("a.mov", {"codec": "qtrle", "pix_fmt": "argb"}),
    "png": ("a.mov", {"codec": "png", "pix_fmt": "rgba"}),
    "prores 4444": ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuva444p10le"}),
    "uncompressed": ("a.mov", {"codec": "rawvideo", "pix_fmt": "argb"}),
    "ffv1": ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuva420p"}),
    "ut video": ("a.avi", {"codec": "utvideo", "pix_fmt": "gbrap"}),
    "vp8": ("a.webm", {"codec": "libvpx", "pix_fmt": "yuva420p", "options": {"auto-alt-ref": "0"}}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "pix_fmt": "yuva420p", "options": {"auto-alt-ref": "0"}}),
}
SIZE = (96, 160, 4)


def veiled(number: int) -> Image:
    """Orange; in odd pictures the left half is white and transparent, the lower right quarter half transparent."""
    picture = np.full(SIZE, (20, 120, 240, 255), np.uint8)
    if number % 2:
        picture[:, :80] = (255, 255, 255, 0)
        picture[48:, 80:, 3] = 128
    return picture


@pytest.mark.parametrize("name", ALPHA)
def test_transparent_pixels_show_the_background(name: str, tmp_path: Path) -> None:
    file, how = ALPHA[name]
    path = write_clip(tmp_path / file, [veiled(number) for number in range(4)], **how)  # type: ignore[arg-type]
    for background, half in ((BLACK, (10, 60, 120)), (GREEN, (10, 187, 120))):
        pictures = pixels_of(path, background)
        assert len(pictures) == 4
        for number, picture in enumerate(pictures):
            left, right, below = picture[24, 40], picture[24, 120], picture[72, 120]
            np.testing.assert_allclose(right, (20, 120, 240), atol=5)
            np.testing.assert_allclose(left, background if number % 2 else (20, 120, 240), atol=5)
            np.testing.assert_allclose(below, half if number % 2 else (20, 120, 240), atol=5)


def test_transparent_colors_of_a_palette(tmp_path: Path) -> None:
    frames = [PillowImage.fromarray(np.ascontiguousarray(veiled(n)[:, :, [2, 1, 0, 3]]), "RGBA") for n in (1, 0)]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    pictures = pixels_of(path, GREEN)
    assert [picture[24, 40].tolist() for picture in pictures] == [[0, 255, 0], [20, 120, 240]]


def test_the_fourth_byte_of_uncompressed_avi_is_no_transparency(tmp_path: Path) -> None:
    picture = np.full(SIZE, (20, 120, 240, 0), np.uint8)
    path = write_clip(tmp_path / "a.avi", [picture] * 2, codec="rawvideo", pix_fmt="bgra")
    for seen in pixels_of(path, GREEN):
        np.testing.assert_array_equal(seen, picture[:, :, :3])


def test_colors_of_transparent_pixels_do_not_run_into_their_neighbours(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mov", [veiled(1)], codec="qtrle", pix_fmt="argb")
    with open_media(path) as media:
        frame = next(media.frames([media.start_pts], media.times()))
        shrunk = to_pixels(frame, max_height_px=31)
    assert shrunk.shape[0] == 31
    assert shrunk[5].max(0).tolist() == [20, 120, 240]


BANDS: list[Color] = [
    *[(0, 0, 0), (40, 40, 40), (128, 128, 128), (180, 180, 180)],
    *[(200, 60, 20), (40, 160, 180), (30, 30, 180), (60, 140, 60)],
]
"""Colours of a picture, up to 89 cd/m²."""
WHITE = (255, 255, 255)


def bands(colors: list[Color], size_px: tuple[int, int] = (256, 96)) -> Image:
    """Upright bands of equal width."""
    at = np.arange(size_px[0]) * len(colors) // size_px[0]
    return np.tile(np.array(colors, np.uint8)[at], (size_px[1], 1, 1))


def band_colors(picture: Image, count: int) -> list[Color]:
    """In the middle of each band."""
    at = (np.arange(count) * 2 + 1) * picture.shape[1] // (2 * count)
    return [tuple(color) for color in picture[picture.shape[0] // 2, at].tolist()]


def write_coded(path: Path, coded: Values, **how: object) -> Path:
    """Two frames of coded RGB: shape (height, width, 3), 0 to 1. What their colours mean is in the file."""
    codec, pix_fmt = str(how["codec"]), str(how["pix_fmt"])
    matrix, full = how.get("matrix"), bool(how.get("full"))
    color_range = ColorRange.JPEG if full else ColorRange.MPEG
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = coded.shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = {"crf": "4", "x265-params": "log-level=error"} if codec != "ffv1" else {}
        context = stream.codec_context
        context.color_range = color_range
        if "trc" in how:
            context.color_trc, context.color_primaries = how["trc"], how["primaries"]
        if matrix is not None:
            context.colorspace = {Colorspace.ITU601: 6}.get(matrix, int(matrix))
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(np.round(coded * 65535).astype(np.uint16), "rgb48le")
            frame = frame.reformat(
                format=pix_fmt,
                dst_colorspace=how.get("coded_with", matrix),
                dst_color_range=color_range,
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


MATRICES: dict[str, dict[str, object]] = {
    "BT.601": {"matrix": Colorspace.ITU601},
    "BT.709": {"matrix": Colorspace.ITU709},
    "BT.2020": {"matrix": Colorspace.BT2020},
    "BT.601, full range": {"matrix": Colorspace.ITU601, "full": True},
    "BT.709, full range": {"matrix": Colorspace.ITU709, "full": True},
    "BT.709, 10 bits": {"matrix": Colorspace.ITU709, "pix_fmt": "yuv420p10le"},
    "BT.709, 10 bits, full range": {"matrix": Colorspace.ITU709, "pix_fmt": "yuv420p10le", "full": True},
    "not told, small": {"coded_with": Colorspace.ITU601},
    "not told, large": {"coded_with": Colorspace.ITU709, "size_px": (1280, 720)},
}


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
@pytest.mark.parametrize("name", MATRICES)
def test_matrix_and_range_are_those_of_the_frame(name: str, codec: str, tmp_path: Path) -> None:
    how = {"codec": codec, "pix_fmt": "yuv420p", "size_px": (256, 96), **MATRICES[name]}
    drawn = bands([*BANDS, WHITE], how.pop("size_px"))  # type: ignore[arg-type]
    path = write_coded(tmp_path / "a.mkv", drawn[:, :, ::-1] / 255, **how)
    for picture in pixels_of(path):
        np.testing.assert_allclose(band_colors(picture, 9), [*BANDS, WHITE], atol=5)


def as_light(picture: Image, white_nits: float = 203) -> Values:
    """Light of each pixel in BT.2020, cd/m² of R, G and B."""
    light = (picture[:, :, ::-1] / 255) ** 2.4 * white_nits
    return np.maximum(light @ np.linalg.inv(TO_709).T, 0)


def pq_coded(nits: Values) -> Values:
    power = (nits / 10_000) ** PQ_M1
    coded: Values = ((PQ_C1 + PQ_C2 * power) / (1 + PQ_C3 * power)) ** PQ_M2
    return coded


def hlg_coded(nits: Values) -> Values:
    luma = np.maximum(nits @ LUMA_2020, 1e-9)[..., None] / 1000
    scene = luma ** (1 / 1.2 - 1) * nits / 1000
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), HLG_A * np.log(np.maximum(12 * scene - HLG_B, 1e-9)) + HLG_C)


def gamma_coded(nits: Values) -> Values:
    return np.clip(nits / 203, 0, 1) ** (1 / 2.4)


WIDE = {"primaries": ColorPrimaries.BT2020, "matrix": Colorspace.BT2020}
HDR: dict[str, tuple[Callable[[Values], Values], dict[str, object]]] = {
    "pq, hevc": (pq_coded, {"codec": "libx265", "pix_fmt": "yuv420p10le", "trc": ColorTrc.SMPTE2084, **WIDE}),
    "pq, h264": (pq_coded, {"codec": "libx264", "pix_fmt": "yuv420p10le", "trc": ColorTrc.SMPTE2084, **WIDE}),
    "pq, full range": (
        pq_coded,
        {"codec": "ffv1", "pix_fmt": "yuv444p10le", "trc": ColorTrc.SMPTE2084, "full": True, **WIDE},
    ),
    "hlg, hevc": (hlg_coded, {"codec": "libx265", "pix_fmt": "yuv420p10le", "trc": ColorTrc.ARIB_STD_B67, **WIDE}),
    "hlg, h264": (hlg_coded, {"codec": "libx264", "pix_fmt": "yuv420p10le", "trc": ColorTrc.ARIB_STD_B67, **WIDE}),
    "hlg, matrix not told": (
        hlg_coded,
        {
            **{"codec": "ffv1", "pix_fmt": "yuv420p10le", "trc": ColorTrc.ARIB_STD_B67},
            **{"primaries": ColorPrimaries.BT2020, "coded_with": Colorspace.BT2020},
        },
    ),
    "wide colours": (gamma_coded, {"codec": "libx265", "pix_fmt": "yuv420p10le", "trc": ColorTrc.BT2020_10, **WIDE}),
}


@pytest.mark.parametrize("name", HDR)
def test_high_dynamic_range_and_wide_colors_look_as_the_copy_in_8_bits(name: str, tmp_path: Path) -> None:
    coded, how = HDR[name]
    drawn = bands([*BANDS, WHITE])
    copy = write_clip(tmp_path / "copy.mp4", [drawn] * 2)
    path = write_coded(tmp_path / "a.mkv", coded(as_light(drawn)), **how)
    expected = np.array(band_colors(pixels_of(copy)[0], 9))
    for picture in pixels_of(path):
        seen = np.array(band_colors(picture, 9))
        np.testing.assert_allclose(seen[:8], expected[:8], atol=12)
        assert seen[8].min() >= (245 if coded is gamma_coded else 210)  # what is brighter than white has room above


@pytest.mark.parametrize("name", ["pq, hevc", "hlg, hevc"])
def test_writing_brighter_than_white_differs_from_its_ground(name: str, tmp_path: Path) -> None:
    coded, how = HDR[name]
    drawn = bands([(190, 190, 190), WHITE])
    path = write_coded(tmp_path / "a.mkv", coded(as_light(drawn, white_nits=600)), **how)
    ground, writing = np.array(band_colors(pixels_of(path)[0], 2)).astype(int)
    assert (writing - ground).min() >= 14
