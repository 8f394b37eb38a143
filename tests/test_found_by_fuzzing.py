"""Inputs at which `make fuzz` found a fault, kept so that it stays mended: each is a sentence now, or is taken."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS

FOUND = {
    "a part of a WAV file that reaches beyond it": (
        "wav",
        b"RIFFD\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x1e\0\0\0AVEfmt \x10\0\0\0\x01\0\x01\0\x80\x1e\0\0\0"
        b"}\0\0\x02\0\x10\0d",
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_nothing_are_no_fault(name: str) -> None:
    for data in (b"", *TARGETS[name].seeds):
        TARGETS[name](data)


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_no_fault(name: str) -> None:
    target, data = FOUND[name]
    TARGETS[target](data)
