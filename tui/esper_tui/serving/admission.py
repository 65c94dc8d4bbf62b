"""Who may see the screen in a browser: decided from a request's headers alone.

Without a token the page is for this machine, so that only its own names are answered: a site whose name
has been pointed at loopback (DNS rebinding) is not. With a token every request must show it, or the
cookie that was given for it. Either way a websocket must come from the page itself, or any other site
could open one with the visitor's cookie (cross-site websocket hijacking).
"""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

SHORTEST_TOKEN = 16
"""Characters; a shorter one could be tried out."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What a request says about itself; None where it says nothing."""

    host: str
    origin: str | None = None
    token: str | None = None
    cookie: str | None = None
    websocket: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status, and one sentence for whoever reads it."""

    status: int
    sentence: str


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Lets in who shows the token; whoever asks under a name of this machine, if there is no token."""

    token: str | None = None

    @property
    def cookie(self) -> str:
        """What is kept by a browser that has shown the token; it does not tell the token."""
        return hmac.new((self.token or "").encode(), b"sanctum in a browser", hashlib.sha256).hexdigest()

    def refuses(self, asking: AccessRequest) -> Refusal | None:
        """Why a request is not answered, or None."""
        if self.token is None:
            if not is_loopback(host_of(asking.host)):
                return Refusal(403, "This page is served to its own machine only.")
        elif not self.shown(asking):
            return Refusal(401, "Add ?token=TOKEN to the address, with the token of who serves this page.")
        if asking.websocket and not comes_from_the_page(asking):
            return Refusal(403, "Only the page itself may open this connection.")
        return None

    def shown(self, asking: AccessRequest) -> bool:
        """Whether the token or its cookie is shown; compared in constant time."""
        by_token = _equal(asking.token or "", self.token or "")
        by_cookie = _equal(asking.cookie or "", self.cookie)
        return self.token is not None and (by_token or by_cookie)


def comes_from_the_page(asking: AccessRequest) -> bool:
    """Whether the origin, which a browser always names, is the address that was asked."""
    return asking.origin is not None and _netloc(asking.origin) == asking.host.lower() != ""


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
