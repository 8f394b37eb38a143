"""The settings of stages that ask cloud providers: how, and what it may cost.

What is asked is the stage's; how limits are kept is in `mpr_resources.cloud`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from gpu_service.settings import Settings
from mpr_resources.cloud.budget import Limit, Price, load_prices, price_of
from mpr_resources.cloud.paying import Label
from mpr_resources.cloud.providers import Model


class PaidSettings(Settings):
    """How providers are asked, and what it may cost."""

    requests_in_flight: int = Field(4, ge=1, le=32, description="concurrent requests")
    requests_per_minute: int = Field(
        60, ge=1, le=10_000, description="maximum requests per minute to each provider, all runs together"
    )
    attempts: int = Field(4, ge=1, le=10, description="maximum attempts of a request before the next provider is tried")
    timeout_s: float = Field(60.0, gt=0, le=600, description="time limit for a provider's answer, in seconds")
    longest_wait_s: float = Field(
        120.0,
        ge=0,
        le=3600,
        description="maximum Retry-After that is waited for, in seconds; beyond it the next provider is tried",
    )
    max_requests_run: int | None = Field(200, ge=0, description="maximum requests of a run; none: no limit")
    max_requests_timeline: int | None = Field(
        None, ge=0, description="maximum requests of a timeline, all runs together"
    )
    max_requests_day: int | None = Field(
        2000, ge=0, description="maximum requests of a day (UTC), all timelines together"
    )
    max_usd_run: float | None = Field(1.0, ge=0, description="maximum cost of a run, in USD; none: no limit")
    max_usd_timeline: float | None = Field(
        None, ge=0, description="maximum cost of a timeline, all runs together, in USD"
    )
    max_usd_day: float | None = Field(
        10.0, ge=0, description="maximum cost of a day (UTC), all timelines together, in USD"
    )
    prices: str = Field("prices/models.yaml", description="price file, relative to the profiles folder")

    def limits(self, label: Label) -> list[Limit]:
        """The limits, the nearest first; the day is this one, UTC."""
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        return [
            Limit(f"run/{label.run}", self.max_requests_run, _micro(self.max_usd_run)),
            Limit(f"timeline/{label.timeline}", self.max_requests_timeline, _micro(self.max_usd_timeline)),
            Limit(f"day/{day}", self.max_requests_day, _micro(self.max_usd_day)),
        ]

    def priced(self, models: Sequence[Model], profiles: Path) -> list[tuple[Model, Price]]:
        """The models with their prices. `profiles`: the folder in which the price file is looked for.

        Raises:
            BadInput: it is not there, or lacks one.
        """
        where = profiles / self.prices
        prices = load_prices(where)
        return [(model, price_of(prices, model, where)) for model in models]


def _micro(usd: float | None) -> int | None:
    return None if usd is None else round(usd * 1_000_000)
