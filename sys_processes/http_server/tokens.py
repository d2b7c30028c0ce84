"""Login tokens and the cookie they travel in (PROTOCOL 6.8)."""

from __future__ import annotations

import enum
import hmac
from collections.abc import Callable

import attrs
import jwt

from kernel.address import PackageId, ProcessId, ProcessIdParseError

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


@attrs.frozen
class _Genuine:
    """What a token of ours says. `subdomain` is the package it is for, None for the main site."""

    expiration: int
    subdomain: str | None


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
        self._genuine: dict[str, _Genuine] = {}

    @property
    def cookie_name(self) -> str:
        return f"nectar-auth_{self._node}"

    def issue(self, now: float, subdomain: PackageId | None = None) -> str:
        """A token that is good until 26 weeks from now: on the main site, or on the subdomains of that package only."""
        claims: dict[str, object] = {"username": self._node, "expiration": int(now) + LIFETIME}
        if subdomain is not None:
            claims["subdomain"] = str(subdomain)
        # An empty `typ` makes PyJWT leave it out: the header is exactly {"alg":"HS256"}.
        return jwt.encode(claims, self._secret, algorithm="HS256", headers={"typ": ""})

    def is_valid(self, token: str, now: float, subdomain: PackageId | None = None) -> bool:
        """Whether we signed it, for this node and the main site or that subdomain, and it has not expired."""
        genuine = self._known(token)
        if genuine is None or genuine.subdomain != (None if subdomain is None else str(subdomain)):
            return False
        return now < genuine.expiration

    def admits_to(self, token: str, now: float, package: PackageId | None) -> bool:
        """Whether a socket may register with it for a process of that package, or (None) before it names one."""
        return self.is_valid(token, now) or (package is not None and self.is_valid(token, now, package))

    def _known(self, token: str) -> _Genuine | None:
        genuine = self._genuine.get(token)
        if genuine is None:
            genuine = self._verified(token)
            if genuine is not None:
                self._remember(token, genuine)
        return genuine

    def _verified(self, token: str) -> _Genuine | None:
        """What a genuine token says. A signature never stops being right, so this may be remembered."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        expiration, subdomain = claims.get("expiration"), claims.get("subdomain")
        if claims.get("username") != self._node or type(expiration) is not int:
            return None
        return _Genuine(expiration, subdomain) if subdomain is None or isinstance(subdomain, str) else None

    def _remember(self, token: str, genuine: _Genuine) -> None:
        if len(self._genuine) >= _REMEMBERED:
            del self._genuine[next(iter(self._genuine))]
        self._genuine[token] = genuine

    def set_cookie(self, token: str, *, secure: bool) -> str:
        """A Set-Cookie value. Never HttpOnly: pages put the token into the register frame of 6.12."""
        ending = "; Secure" if secure else ""
        return f"{self.cookie_name}={token}; Path=/; SameSite=Strict{ending}"

    def clear_cookie(self, *, secure: bool) -> str:
        """A Set-Cookie value that ends the one of `set_cookie`."""
        return f"{self.set_cookie('', secure=secure)}; Max-Age=0"

    def session(self, cookies: str | None, now: float, subdomain: PackageId | None = None) -> Session:
        """Judges a request's Cookie header; of several cookies with our name the first counts.

        On a subdomain the name may end in `@` and a process id of its package, as later eras write it.
        """
        if cookies is None:
            return Session.ABSENT
        token = find_cookie(cookies, lambda name: self._is_ours(name, subdomain))
        if token is None or not self.is_valid(token, now, subdomain):
            return Session.INVALID
        return Session.VALID

    def _is_ours(self, name: str, subdomain: PackageId | None) -> bool:
        if name == self.cookie_name:
            return True
        ours, at, process = name.partition(f"{self.cookie_name}@")
        if subdomain is None or ours or not at:
            return False
        try:
            return ProcessId.from_str(process).package_id == subdomain
        except ProcessIdParseError:
            return False


def find_cookie(cookies: str, is_wanted: Callable[[str], bool]) -> str | None:
    """The first cookie of such a name. Parts are split at `; `; one without exactly one `=` is no cookie."""
    for part in cookies.split("; "):
        pieces = part.split("=")
        if len(pieces) == 2 and is_wanted(pieces[0]):
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
