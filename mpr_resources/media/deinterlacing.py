"""One picture of an interlaced frame, whose odd and even lines show two moments. When that is wanted: `decoding`."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

ANY_TIME_BASE = Fraction(1, 1000)
"""The filter goes by the order of frames, not by their times."""


def deinterlaced(before: VideoFrame | None, frame: VideoFrame, after: VideoFrame | None) -> VideoFrame:
    """The frame as it is at its first moment, with its own pts.

    What stands still keeps all its lines, by the frames before and after (FFmpeg's filter bwdif); where one is missing
    the other is taken for it, which shows as well what moves. A frame alone is told by its own lines (estdif).
    """
    neighbours = [one for one in (before, after) if one is not None and _is_like(one, frame)]
    frames = [neighbours[0], frame, neighbours[-1]] if neighbours else [frame]
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=ANY_TIME_BASE)
    between = graph.add("bwdif", "mode=send_frame:deint=all") if neighbours else graph.add("estdif", "mode=frame")
    graph.link_nodes(source, between, graph.add("buffersink")).configure()
    for one in [*frames, None]:
        graph.vpush(one)
    pictures: list[VideoFrame] = []
    while True:
        try:
            pictures.append(graph.vpull())
        except (av.BlockingIOError, av.EOFError):
            break
    picture = pictures[1 if neighbours else 0]
    picture.pts = frame.pts
    return picture


def _is_like(one: VideoFrame, other: VideoFrame) -> bool:
    return (one.width, one.height, one.format.name) == (other.width, other.height, other.format.name)
