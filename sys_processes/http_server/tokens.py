"""Login tokens and the cookie they travel in (PROTOCOL 6.8)."""

from __future__ import annotations

import enum
import hmac

import jwt

LIFETIME = 26 * 7 * 24 * 3600
"""Seconds a login lasts: 26 weeks."""
SECRET_BYTES = 32
_REMEMBERED = 1024


class WeakSecret(ValueError):
    """The node's token secret is too short to sign with (F-59); the text says what to do."""


class Session(enum.Enum):
    """What a request's Cookie header proves."""

    ABSENT = "absent"
    INVALID = "invalid"
    VALID = "valid"


class LoginTokens:
    """Issues and checks the tokens of one node. Times are seconds since the epoch.

    Raises `WeakSecret` for a secret under 32 bytes.
    """

    def __init__(self, node: str, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES:
            raise WeakSecret(
                f"the login secret has {len(secret)} bytes, at least {SECRET_BYTES} are needed: "
                "restore the keyfile from a backup, or remove it to create a new identity"
            )
        self._node = node
        self._secret = secret
        self._expirations: dict[str, int] = {}

    @property
    def cookie_name(self) -> str:
        return f"nectar-auth_{self._node}"

    def issue(self, now: float) -> str:
        """A token that is good until 26 weeks from now."""
        claims: dict[str, object] = {"username": self._node, "expiration": int(now) + LIFETIME}
        # An empty `typ` makes PyJWT leave it out: the header is exactly {"alg":"HS256"}.
        return jwt.encode(claims, self._secret, algorithm="HS256", headers={"typ": ""})

    def is_valid(self, token: str, now: float) -> bool:
        """Whether we signed it, for this node, and it has not expired."""
        expiration = self._expirations.get(token)
        if expiration is None:
            expiration = self._verified(token)
            if expiration is None:
                return False
            self._remember(token, expiration)
        return now < expiration

    def _verified(self, token: str) -> int | None:
        """The expiration of a genuine token. A signature never stops being right, so this may be remembered."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        expiration = claims.get("expiration")
        if claims.get("username") != self._node or claims.get("subdomain") is not None:
            return None
        return expiration if type(expiration) is int else None

    def _remember(self, token: str, expiration: int) -> None:
        if len(self._expirations) >= _REMEMBERED:
            del self._expirations[next(iter(self._expirations))]
        self._expirations[token] = expiration

    def set_cookie(self, token: str, *, secure: bool) -> str:
        """A Set-Cookie value. Never HttpOnly: pages put the token into the register frame of 6.12."""
        ending = "; Secure" if secure else ""
        return f"{self.cookie_name}={token}; Path=/; SameSite=Strict{ending}"

    def session(self, cookies: str | None, now: float) -> Session:
        """Judges a request's Cookie header; of several cookies with our name the first counts."""
        if cookies is None:
            return Session.ABSENT
        token = find_cookie(cookies, self.cookie_name)
        if token is None or not self.is_valid(token, now):
            return Session.INVALID
        return Session.VALID


def find_cookie(cookies: str, name: str) -> str | None:
    """The first cookie of that name. Parts are split at `; `; one without exactly one `=` is no cookie."""
    for part in cookies.split("; "):
        pieces = part.split("=")
        if len(pieces) == 2 and pieces[0] == name:
            return pieces[1]
    return None


class BearerToken:
    """The token of HOME/rpc.token, which programs of the node's owner send (PROTOCOL 6.10)."""

    def __init__(self, token: str) -> None:
        if not token:
            raise WeakSecret(
                "the RPC token is empty: write a fresh one, or every caller without one would pass"
            )
        self._token = token.encode()

    def admits(self, authorization: str) -> bool:
        """Judges an Authorization header's value, in time that does not depend on where it differs."""
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token)
