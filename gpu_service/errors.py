"""The exceptions that MPR raises on purpose. Anything else that escapes is a bug.

    MprError
    ├── TransientError      may work when tried again: a host that is away, a time-out
    │   └── HostAway        the same, but it was tried for as long as the settings allow
    └── PermanentError      will fail again until somebody changes something; the message says what
        ├── BadInput        a file, a name or a value that a user gave
        └── MissingEngine   a package or a model that is not installed here

Every message is one sentence or two: what is wrong, where, what to do.
"""

from __future__ import annotations


class MprError(Exception):
    """Root of the tree. Its text is shown to the user as it is."""


class TransientError(MprError):
    """The same call may succeed later; Dagster retries it with backoff."""


class HostAway(TransientError):
    """No inference host has answered for `give_up_after_s`; the stage fails then, and is not tried again by itself."""


class PermanentError(MprError):
    """The same call fails again; it is not retried."""


class BadInput(PermanentError):
    """Something that the user gave cannot be used."""


class MissingEngine(PermanentError):
    """The chosen engine needs a package or a model that is not here."""
