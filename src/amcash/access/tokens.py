"""Bearer tokens: signed, verified, remembered. JWTs of the `at+jwt` profile (RFC 9068), ES256 (R-AUTH-1)."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from amcash.domain.vocabulary import Client, Register, SigningKey, Sponsor, SponsorCode

ALGORITHM = "ES256"
TOKEN_CHARACTERS_MAX = 4_096
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_END_OF_TIME_S = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
"""What says that it expires later expires then: a `datetime` cannot hold much more."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated client, and the sponsors it may act for (R-AUTH-3)."""

    client_id: str
    sponsors: Mapping[SponsorCode, Sponsor]


@dataclass(frozen=True, slots=True)
class _Verified:
    client_id: str
    expires_at: datetime


def new_signing_key(now: datetime) -> SigningKey:
    """Make a P-256 key; its id is its RFC 7638 thumbprint."""
    key = ECKey.generate_key("P-256", private=True)
    kid = key.thumbprint()
    return SigningKey(kid, json.dumps({**key.as_dict(private=True), "kid": kid}, sort_keys=True), now, None)


class Tokens:
    """Issues tokens and tells who presents one.

    Args:
        register: gives the register in force.
        issuer: the `iss` of tokens.
        audience: the `aud` of tokens.
        lifetime_s: how long a token is good for, in seconds.
        cached_max: how many verified tokens are remembered; a signature is then checked once, not per request.
    """

    def __init__(
        self,
        register: Callable[[], Register],
        *,
        issuer: str,
        audience: str,
        lifetime_s: int,
        cached_max: int,
    ) -> None:
        self._register = register
        self._issuer = issuer
        self._audience = audience
        self.lifetime_s = lifetime_s
        self._cached_max = cached_max
        self._verified: dict[str, _Verified] = {}
        self._callers: dict[str, Caller] = {}
        self._callers_version = -1
        self._keys: dict[str, ECKey] = {}

    def issue(self, client: Client, now: datetime) -> str:
        """Return a token for `client`, good from `now`."""
        signing = self._register().keys[0]
        issued_at = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": client.client_id,
            "client_id": client.client_id,
            "iat": issued_at,
            "exp": issued_at + self.lifetime_s,
            "jti": secrets.token_urlsafe(16),
        }
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": signing.kid}
        return jwt.encode(header, claims, self._key(signing))

    def caller(self, token: str, now: datetime) -> Caller | None:
        """Return who presents `token`; None for a stranger, an expired token or a disabled client (R-AUTH-2)."""
        register = self._register()
        verified = self._verified.get(token)
        if verified is None:
            verified = self._verify(token, register)
            if verified is None:
                return None
            if len(self._verified) >= self._cached_max:
                del self._verified[next(iter(self._verified))]
            self._verified[token] = verified
        if verified.expires_at <= now:
            self._verified.pop(token, None)
            return None
        if register.version != self._callers_version:
            self._read_callers(register)
        return self._callers.get(verified.client_id)

    def public_keys(self, now: datetime) -> list[dict[str, Any]]:
        """Return, as public JWKs, the keys of every token that can still be valid."""
        lifetime = timedelta(seconds=self.lifetime_s)
        return [
            {**self._key(key).as_dict(private=False), "kid": key.kid, "use": "sig", "alg": ALGORITHM}
            for key in self._register().keys
            if key.retired_at is None or key.retired_at + lifetime > now
        ]

    def _verify(self, token: str, register: Register) -> _Verified | None:
        if len(token) > TOKEN_CHARACTERS_MAX or not _SHAPE.fullmatch(token):
            return None
        keys = {key.kid: key for key in register.keys}

        def find(obj: Any) -> ECKey:
            signing = keys.get(str(obj.headers().get("kid")))
            if signing is None:
                raise ValueError("no such key")
            return self._key(signing)

        try:
            read = jwt.decode(token, find, algorithms=[ALGORITHM])
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return None
        claims = read.claims
        expires, client_id = claims.get("exp"), claims.get("client_id")
        ours = read.header.get("typ") == "at+jwt" and claims.get("aud") == self._audience
        if not ours or not isinstance(expires, int):
            return None
        return _Verified(str(client_id), datetime.fromtimestamp(max(0, min(expires, _END_OF_TIME_S)), UTC))

    def _read_callers(self, register: Register) -> None:
        self._callers = {
            client.client_id: Caller(
                client.client_id,
                {code: register.sponsors[code] for code in client.sponsors if code in register.sponsors},
            )
            for client in register.clients.values()
            if not client.disabled
        }
        self._callers_version = register.version

    def _key(self, signing: SigningKey) -> ECKey:
        key = self._keys.get(signing.kid)
        if key is None:
            key = self._keys[signing.kid] = ECKey.import_key(json.loads(signing.jwk))
        return key
