"""Where routines run: in this process, or on inference hosts. What they compute is the routines' affair.

`open_inference` knows nothing of Dagster; `InferenceResource` wraps it for the asset graph. Neither reads the
environment by itself: who makes them passes what `INFERENCE_URL` and `INFERENCE_TOKEN` say.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import dagster as dg
from pydantic import Field, PrivateAttr

from gpu_service.client.http import ClientConfig, HttpInference
from gpu_service.client.local import LocalInference
from gpu_service.errors import BadInput
from gpu_service.masking import masked
from gpu_service.models import ModelFiles, parse_files, use
from gpu_service.pictures import Picture
from gpu_service.routines import (
    A,
    DebugPictures,
    I,
    Inference,
    Reference,
    Routine,
    S,
    T,
)
from gpu_service.sound import Sound


def open_inference(urls: str = "", token: str = "", config: ClientConfig | None = None) -> Inference:
    """Inference on the hosts of `urls` (commas between), or in this process when it is empty.

    Raises:
        BadInput: one of the URLs is not one, or the token cannot be sent.
    """
    hosts = [url.strip() for url in urls.split(",") if url.strip()]
    return HttpInference(hosts, token, config) if hosts else LocalInference()


class InferenceResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Runs routines: one interface, local and remote. Connections are opened at first use and closed with the run."""

    url: str = Field(
        default="", description="http://gpu-host:8000, several separated by commas; empty: routines run in this process"
    )
    token: str = Field(default="", description="bearer token of the hosts, if they require one")
    give_up_after_s: float = Field(
        default=60.0,
        ge=0,
        description="the stage fails when no host has answered for this long; it can be run again",
    )
    answer_timeout_s: float = Field(
        default=120.0, gt=0, description="for a request and its whole answer, time in the host's queue included"
    )
    requests_in_flight: int = Field(default=4, ge=1, description="concurrent requests to each host")
    lossless: bool = Field(default=True, description="pictures without encoded bytes are sent as PNG; false: as JPEG")
    models: dict[str, str] = Field(
        default={}, description="in this process: models that settings may name, NAME -> PATH; a host has its own list"
    )
    device: str = Field(default="auto", description="in this process: the device; auto, cpu, cuda or cuda:N")

    _opened: Inference | None = PrivateAttr(None)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> InferenceResource:
        """As `INFERENCE_URL`, `INFERENCE_TOKEN` and `INFERENCE_GIVE_UP_AFTER_S` say, and without hosts
        `INFERENCE_MODELS` and `INFERENCE_DEVICE`.

        The UI shows the token's variable, not the token, and so of an address with a password.

        Raises:
            BadInput: `INFERENCE_MODELS` is not a list of models, or the time is not a number.
        """
        url = environ.get("INFERENCE_URL", "")
        return cls(
            url=_by_name("INFERENCE_URL", url) if masked(url) != url else url,
            token=_by_name("INFERENCE_TOKEN", environ.get("INFERENCE_TOKEN", "")),
            give_up_after_s=_seconds(environ.get("INFERENCE_GIVE_UP_AFTER_S") or "60"),
            models=parse_files(environ.get("INFERENCE_MODELS", "")),
            device=environ.get("INFERENCE_DEVICE") or "auto",
        )

    def map(
        self,
        routine: Routine[S, I, A],
        pictures: Iterable[tuple[T, Picture | Sound, I]],
        settings: S,
        references: Sequence[Reference] = (),
    ) -> Iterator[tuple[T, A]]:
        """See `Inference.map`."""
        return self._inference().map(routine, pictures, settings, references)

    def debug(
        self,
        routine: Routine[S, I, A],
        picture: Picture | Sound,
        item: I,
        settings: S,
        references: Sequence[Reference] = (),
    ) -> tuple[A, DebugPictures]:
        """See `Inference.debug`."""
        return self._inference().debug(routine, picture, item, settings, references)

    def identity(self, routine: Routine[S, I, A], settings: S) -> str:
        """See `Inference.identity`."""
        return self._inference().identity(routine, settings)

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        if isinstance(self._opened, HttpInference):
            self._opened.close()
        self._opened = None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Called by Dagster at the end of a run."""
        self.close()

    def _inference(self) -> Inference:
        if self._opened is None:
            config = ClientConfig(
                give_up_after_s=self.give_up_after_s,
                answer_timeout_s=self.answer_timeout_s,
                requests_in_flight=self.requests_in_flight,
                lossless=self.lossless,
            )
            self._opened = open_inference(self.url, self.token, config)
            if isinstance(self._opened, LocalInference):
                use(ModelFiles(files=self.models, device=self.device))
        return self._opened


def _by_name(variable: str, value: str) -> str:
    """The variable in the place of its value, where Dagster will find that."""
    return dg.EnvVar(variable) if value and os.environ.get(variable) == value else value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise BadInput(f"INFERENCE_GIVE_UP_AFTER_S is {text!r}", "give a number of seconds, 0 or more")
    return seconds
