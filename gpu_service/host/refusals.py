"""How the service says no: an exception that carries the HTTP status and the one sentence of the answer."""

from __future__ import annotations

from pydantic import ValidationError

from gpu_service.errors import PermanentError, TransientError


class Refusal(Exception):
    """Raised anywhere below an endpoint; the app turns it into the answer.

    `kind`: that of an `MprError`, or `unknown_reference` or `internal`.
    """

    def __init__(
        self,
        status: int,
        sentence: str,
        kind: str = "bad_input",
        *,
        retry_after_s: int | None = None,
        missing: tuple[str, ...] = (),
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.missing = missing


def from_validation(what: str, error: ValidationError) -> Refusal:
    """The first thing that is wrong with a message, as a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part)[:60] for part in first["loc"])
    place = f" at `{where[:200]}`" if where else ""
    return Refusal(422, f"The {what} is not usable{place}: {first['msg'][:300]}.")


def from_error(error: Exception) -> Refusal | None:
    """The answer for an error of MPR; None for any other exception."""
    match error:
        case Refusal():
            return error
        case PermanentError():
            return Refusal(422, str(error), error.kind)
        case TransientError():
            return Refusal(503, str(error), error.kind, retry_after_s=5)
    return None
