"""A camera that stands still and turns: pinhole geometry, world to picture and picture to picture.

World: metres; x along the touchline to the right, y away from the main camera, z up; the pitch is z = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Where it stands (x, y, z), how it is turned and how far it is zoomed in.

    Attributes:
        yaw_deg: to the right of straight ahead (+y).
        pitch_deg: downwards.
        focal_px: zoom; pictures of one camera differ by a homography only.
        size_px: width and height of the picture; the axis meets its middle.
    """

    position: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float
    focal_px: float
    size_px: tuple[int, int]

    @cached_property
    def rotation(self) -> Floats:
        """Rows: right, down and forward of the camera in world axes."""
        yaw, pitch = np.radians(self.yaw_deg), np.radians(self.pitch_deg)
        right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
        forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
        return np.stack([right, np.cross(forward, right), forward])

    @cached_property
    def intrinsics(self) -> Floats:
        width_px, height_px = self.size_px
        return np.array([[self.focal_px, 0, width_px / 2], [0, self.focal_px, height_px / 2], [0, 0, 1.0]])

    def project(self, points: Floats) -> Floats:
        """World points (N, 3), all before the camera, to pixels (N, 2)."""
        seen = (points - np.asarray(self.position)) @ self.rotation.T @ self.intrinsics.T
        return np.asarray(seen[:, :2] / seen[:, 2:])

    def depth_m(self, point: tuple[float, float, float]) -> float:
        """Distance along the axis; negative behind the camera."""
        return float((np.asarray(point) - np.asarray(self.position)) @ self.rotation[2])

    def from_other(self, other: Camera) -> Floats:
        """Homography (3, 3) from the other's pixels to mine; both stand at the same place."""
        return np.asarray(
            self.intrinsics @ self.rotation @ other.rotation.T @ np.linalg.inv(other.intrinsics), np.float64
        )

    def ground(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """World x and y under every pixel, each (height, width); infinite where the pixel looks above the horizon."""
        width_px, height_px = self.size_px
        turn = (self.rotation.T @ np.linalg.inv(self.intrinsics)).astype(np.float32)
        columns = np.arange(width_px, dtype=np.float32)[None, :]
        rows = np.arange(height_px, dtype=np.float32)[:, None]
        right, away, up = (axis[0] * columns + axis[1] * rows + axis[2] for axis in turn)
        with np.errstate(divide="ignore"):
            steps = np.where(up < -1e-7, np.float32(-self.position[2]) / up, np.float32(np.inf))
        return self.position[0] + steps * right, self.position[1] + steps * away
