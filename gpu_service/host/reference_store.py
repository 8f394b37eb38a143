"""Reference pictures from clients, kept by hash so that they need not be sent with each request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from gpu_service.host.refusals import Refusal
from gpu_service.routines import Reference
from gpu_service.wire import ReferenceKey


class ReferenceStore:
    """The references used last, up to a number of bytes. A request names them; what is not here must come along."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._known: OrderedDict[ReferenceKey, Reference] = OrderedDict()

    def resolve(self, keys: Sequence[ReferenceKey], sent: Sequence[bytes] = ()) -> tuple[Reference, ...]:
        """The references of the keys, in their order; `sent` are the bytes that came along.

        Raises:
            Refused: 424 with the hashes that are neither known nor sent; 422 when something is sent that no key names.
        """
        by_hash = {Reference("", "", encoded).sha256: encoded for encoded in sent}
        if by_hash.keys() - {key.sha256 for key in keys}:
            raise Refusal(422, "There is a part `reference` that no entry of `references` names by its hash.")
        found: dict[ReferenceKey, Reference] = {}
        for key in keys:
            if key in self._known:
                found[key] = self._known[key]
                self._known.move_to_end(key)
            elif key.sha256 in by_hash:
                found[key] = Reference(key.brand, key.name, by_hash[key.sha256])
        missing = tuple(dict.fromkeys(key.sha256 for key in keys if key not in found))
        if missing:
            raise Refusal(
                424,
                f"{len(missing)} of {len(keys)} reference pictures are not known here; send them as parts `reference`.",
                "unknown_reference",
                missing=missing,
            )
        self._remember(found)
        return tuple(found[key] for key in keys)

    def _remember(self, found: dict[ReferenceKey, Reference]) -> None:
        for key, reference in found.items():
            if key not in self._known:
                self._known[key] = reference
                self._held_bytes += len(reference.encoded)
        while self._held_bytes > self._limit_bytes:
            _, forgotten = self._known.popitem(last=False)
            self._held_bytes -= len(forgotten.encoded)
