"""Client secrets: made and compared. Only here is it decided whether a client is who it says (R-AUTH-2)."""

import hmac
import secrets

from amcash.domain.vocabulary import Client, Register, secret_digest

SECRET_BYTES = 32
_NOBODY = bytes(32)


def new_secret() -> str:
    """Return a new secret: 256 random bits, URL-safe. It is shown once and kept only as a digest."""
    return secrets.token_urlsafe(SECRET_BYTES)


def authenticate(register: Register, client_id: str, secret: str) -> Client | None:
    """Return the client if it is known, not disabled, and `secret` is one of its live ones.

    An unknown client takes the same comparisons as a known one.
    """
    client = register.clients.get(client_id)
    digests = client.secret_digests if client is not None else ()
    offered = secret_digest(secret)
    matches = [hmac.compare_digest(offered, digest) for digest in digests or (_NOBODY,)]
    return client if client is not None and any(matches) and not client.disabled else None
