"""Pixels of frames as a person sees them, from files made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from gpu_service.pictures import Image
from mpr_resources.media.decoding import open_media
from mpr_resources.media.pixels import BLACK, Color, color, to_pixels
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
