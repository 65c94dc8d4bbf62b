"""Who may see the screen in a browser, decided from the headers of a request alone.

Without a token the page is served to this machine only, and only under its own names: a site whose name
resolves to loopback (DNS rebinding) is refused. With a token every request must present it, or the cookie
that was set for it. In both cases a websocket must originate from the page itself, or any other site could
open one with the visitor's cookie (cross-site websocket hijacking).
"""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

SHORTEST_TOKEN = 16
"""Characters; a shorter token could be guessed."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The headers of a request that matter for admission; None if a header is missing."""

    host: str
    origin: str | None = None
    token: str | None = None
    cookie: str | None = None
    websocket: bool = False


@dataclass(frozen=True, slots=True)
class RefusedAccess:
    """An HTTP status, and one sentence for the visitor."""

    status: int
    sentence: str


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Admits requests with the token; without a token, requests to a loopback name."""

    token: str | None = None

    @property
    def cookie(self) -> str:
        """The cookie for browsers that have presented the token; the token cannot be derived from it."""
        return hmac.new((self.token or "").encode(), b"sanctum in a browser", hashlib.sha256).hexdigest()

    def refusal(self, request: AccessRequest) -> RefusedAccess | None:
        """The reason why a request is refused, or None."""
        if self.token is None:
            if not is_loopback(host_of(request.host)):
                return RefusedAccess(403, "This page is available only on the machine that serves it.")
        elif not self.is_presented(request):
            return RefusedAccess(
                401, "Add ?token=TOKEN to the address, with the token that the server was started with."
            )
        if request.websocket and not comes_from_the_page(request):
            return RefusedAccess(403, "Only the page itself may open this connection.")
        return None

    def is_presented(self, request: AccessRequest) -> bool:
        """Whether the token or its cookie is presented; compared in constant time."""
        by_token = _equal(request.token or "", self.token or "")
        by_cookie = _equal(request.cookie or "", self.cookie)
        return self.token is not None and (by_token or by_cookie)


def comes_from_the_page(request: AccessRequest) -> bool:
    """Whether the origin, which a browser always sends, is the requested address."""
    return request.origin is not None and _netloc(request.origin) == request.host.lower() != ""


def host_of(address: str) -> str:
    """The host of a `Host` header; empty if there is none."""
    try:
        return urlsplit(f"//{address}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether a name or an address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())
