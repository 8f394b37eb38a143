"""The routines: one file each with its settings, its algorithm and its debug pictures.

A `Routine` is the common seam: the same object is called in-process and served over HTTP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpu_service.pictures import FORMATS, Image, Picture, decode, encode_png
from gpu_service.settings import Settings
from gpu_service.sound import RATE_HZ, Sound, decode_wav, encode_wav
from gpu_service.wire import Call, DebugResponse, IdentityCall, Message, RoutineResponse, SingleCall

S = TypeVar("S", bound=Settings)
I = TypeVar("I", bound=Message)
A = TypeVar("A", bound=Message)
T = TypeVar("T")


@dataclass(frozen=True)
class Reference:
    """A reference picture of a brand, as its file's bytes (PNG, JPEG or SVG)."""

    brand: str
    name: str
    encoded: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.encoded).hexdigest()


@dataclass(frozen=True)
class Medium:
    """What a routine takes.

    Attributes:
        name: of one of them, in messages.
        types: media types of the files in which they travel, with commas between.
        decode: pixels or samples of such a file; raises `BadInput` where it is none.
        blank: a small file with nothing in it.
    """

    name: str
    types: str
    decode: Callable[[bytes], NDArray[Any]]
    blank: Callable[[], bytes]


PICTURE = Medium(
    "picture",
    ", ".join(f"image/{name.lower()}" for name in FORMATS),
    decode,
    lambda: encode_png(np.zeros((64, 64, 3), np.uint8)),
)
SOUND = Medium("sound", "audio/wav", decode_wav, lambda: encode_wav(np.zeros(RATE_HZ // 10, np.int16)))


@dataclass(frozen=True)
class Batch(Generic[S, I]):
    """Pictures to work on at once, with what the routine is told of each.

    `images`: the pixels of each, see `Image`; of a routine that takes sound the samples, see `Samples`.
    """

    images: Sequence[NDArray[Any]]
    items: Sequence[I]
    settings: S
    references: Sequence[Reference] = ()


DebugPictures = dict[str, Image]
"""Intermediate pictures by name, in the order in which they are shown."""


def one_by_one(_settings: Settings) -> int:
    """The batch of a routine that gains nothing from seeing several pictures at once."""
    return 1


@dataclass(frozen=True)
class Routine(Generic[S, I, A]):
    """One thing that can be done to pictures.

    Attributes:
        name: the path on the wire, and the key in `ROUTINES`.
        run: answers in the order of the batch, one for each image.
        debug: the same answers, each with its intermediate pictures.
        identity: what made the answers: engine, version and the hashes of model files; part of a stage's fingerprint.
        max_batch: pictures worth giving to `run` at once under these settings. 1: it runs on the CPU, and may be called
            by several threads at a time. More: it runs on an accelerator; the service gathers pictures of several
            requests up to this number, and calls it from one thread.
        takes: pictures, or sound.
        max_in_request: of them worth sending at once; fewer where one alone takes seconds.
    """

    name: str
    settings: type[S]
    item: type[I]
    answer: type[A]
    run: Callable[[Batch[S, I]], list[A]]
    debug: Callable[[Batch[S, I]], list[tuple[A, DebugPictures]]]
    identity: Callable[[S], str]
    max_batch: Callable[[S], int] = one_by_one
    takes: Medium = PICTURE
    max_in_request: int = 64

    # What travels over HTTP: see `gpu_service.wire`. A type checker does not follow models made of a field's value.

    @property
    def call(self) -> type[Call[S, I]]:
        return Call[self.settings, self.item]  # type: ignore[name-defined]

    @property
    def single_call(self) -> type[SingleCall[S, I]]:
        return SingleCall[self.settings, self.item]  # type: ignore[name-defined]

    @property
    def identity_call(self) -> type[IdentityCall[S]]:
        return IdentityCall[self.settings]  # type: ignore[name-defined]

    @property
    def response(self) -> type[RoutineResponse[A]]:
        return RoutineResponse[self.answer]  # type: ignore[name-defined]

    @property
    def debug_response(self) -> type[DebugResponse[A]]:
        return DebugResponse[self.answer]  # type: ignore[name-defined]


class Inference(Protocol):
    """Where routines run. Stages know this much and no more."""

    def map(
        self,
        routine: Routine[S, I, A],
        pictures: Iterable[tuple[T, Picture | Sound, I]],
        settings: S,
        references: Sequence[Reference] = (),
    ) -> Iterator[tuple[T, A]]:
        """An answer for each picture, lazily and in their order. Reads ahead by a bounded number of pictures only.

        Args:
            routine: what is done to each picture.
            pictures: each as (token, picture, item), or with a sound where the routine takes that. A token is anything
                by which the caller knows the picture again, as its frame's `seq`; it stays in this process and is held
                until its answer is there.
            settings: of the routine.
            references: pictures of brands, for all pictures alike.

        Returns:
            (token, answer) for each picture.
        """
        ...

    def debug(
        self,
        routine: Routine[S, I, A],
        picture: Picture | Sound,
        item: I,
        settings: S,
        references: Sequence[Reference] = (),
    ) -> tuple[A, DebugPictures]:
        """One answer with its intermediate pictures."""
        ...

    def identity(self, routine: Routine[S, I, A], settings: S) -> str:
        """What would make the answers: see `Routine.identity`."""
        ...
