"""What becomes of a window whose analysis is behind the stream: the profile's `live_lag`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mpr_resources.profiles.profile import Profile

MOST_THINNED = 8
"""So many times fewer frames are looked at, at most."""


@dataclass(frozen=True)
class WindowTurn:
    """What is done with a window. `skipped`: why it is not analysed; None: it is. `thinned`: times fewer frames."""

    skipped: str | None = None
    thinned: int = 1


def turn_of(profile: Profile, waited_s: float, *, ended: bool) -> WindowTurn:
    """What is done with a window that has waited for so long since it was closed.

    Args:
        ended: the stream has; nothing comes after the windows that wait, so that there is time for all.
    """
    limits = int(waited_s // profile.live_lag_s)
    if ended or not limits or profile.live_lag == "queue":
        return WindowTurn()
    if profile.live_lag == "skip":
        return WindowTurn(skipped=f"the analysis was {waited_s:.0f} s behind the stream")
    return WindowTurn(thinned=min(MOST_THINNED, 1 + limits))
