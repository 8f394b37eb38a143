"""The exceptions that MPR raises on purpose. Anything else that escapes is a bug.

    MprError
    ├── TransientError      may work when tried again: a host that is away, a time-out
    │   └── HostAway        the same, but it was tried for as long as the settings allow
    └── PermanentError      will fail again until somebody changes something; the message says what
        ├── BadInput        a file, a name or a value that a user gave
        │   └── NotThere    a name that the user gave, of something that is not there
        └── MissingEngine   a package or a model that is not installed here

An error carries facts: the terminal's sentence, the service's `{"error", "kind"}` and Dagster's failure are made of
them. What is secret in an address is masked in them from the start.
"""

from __future__ import annotations

from typing import ClassVar

from gpu_service.masking import masked


class MprError(Exception):
    """Root of the tree. As text it is one sentence: where, what is wrong, what to do.

    Attributes:
        kind: one word for programs, the same for all errors of a class.
        what: what is wrong, as the beginning of a sentence; or whole sentences, ended by a full stop.
        where: the file, the address or the setting that it is about, where `what` does not name it already.
        remedy: what to do about it, as the end of the sentence; empty where nothing can be said.

    >>> str(BadInput("the colour is not known", "choose red or blue", where="flag.yaml:3"))
    'flag.yaml:3: the colour is not known; choose red or blue.'
    """

    kind: ClassVar[str] = "failed"

    def __init__(self, what: str, remedy: str = "", *, where: str = "") -> None:
        self.what, self.remedy, self.where = map(masked, (what, remedy, where))
        super().__init__(self.what, self.remedy, self.where)

    def __str__(self) -> str:
        text = "; ".join(filter(None, (self.what, self.remedy)))
        place = f"{self.where}: " if self.where else ""
        return f"{place}{text}{'.' if self.remedy and self.remedy[-1] not in '.?!' else ''}"

    def body(self) -> dict[str, str]:
        """What an HTTP answer says of it."""
        return {"error": str(self), "kind": self.kind}

    def __reduce__(self) -> tuple[object, ...]:
        return type(self).__new__, (type(self), self.what, self.remedy, self.where), self.__dict__


class TransientError(MprError):
    """The same call may succeed later; Dagster retries it with backoff."""

    kind = "busy"


class HostAway(TransientError):
    """No inference host has answered for `give_up_after_s`; the stage fails then, and is not tried again by itself."""

    kind = "host_away"


class PermanentError(MprError):
    """The same call fails again; it is not retried."""

    kind = "refused"


class BadInput(PermanentError):
    """Something that the user gave cannot be used."""

    kind = "bad_input"


class NotThere(BadInput):
    """There is nothing of the name that the user gave."""


class MissingEngine(PermanentError):
    """The chosen engine needs a package or a model that is not here."""

    kind = "missing_engine"
