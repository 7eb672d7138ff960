"""What `panseal.asgi` and `panseal.wsgi` share: where dialects are mounted, and how a request is answered."""

import logging
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, unquote

from panseal._native import Vault, dialects

BODY_MAX = 65536
"""The longest body that a dialect reads, in bytes."""

TOO_LONG = bytes(BODY_MAX + 1)
"""Stands for a body that was not read to its end: the dialect refuses it as too long, whatever is in it."""

PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")

log = logging.getLogger("panseal")


class Caller(NamedTuple):
    """A caller whom the host has authenticated: every scope is theirs."""

    merchant: str | None = None
    """For whom they act; None: the merchant of the vault's handle."""

    subject: str = ""
    """The user on whose behalf, where the dialect has users."""


Trust: TypeAlias = bool | Callable[[Mapping[str, Any]], Caller | None]
"""False: callers present credentials. True: everybody acts for the vault's merchant. A callable gets the ASGI
scope or the WSGI environment, and says who it is; None: they present a credential."""

Dialects: TypeAlias = Sequence[str] | Mapping[str, str]
"""Names, each mounted under `/NAME`, or the dialect of each path, where "" is the root."""


class Reply(NamedTuple):
    """What goes out."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def plain(status: int, text: str, *headers: tuple[str, str]) -> Reply:
    """A reply that is no provider's."""
    return Reply(status, [("Content-Type", "text/plain"), *headers], text.encode())


BAD_REQUEST = plain(400, "Bad Request\n")
NOT_FOUND = plain(404, "Not Found\n")
NO_LENGTH = plain(411, "Length Required\n")
FAILED = plain(500, "Internal Server Error\n")
BUSY = plain(503, "Service Unavailable\n", ("Retry-After", "1"))


class Mount(NamedTuple):
    """A dialect at its path."""

    path: str
    dialect: str
    settings: str
    trust: Trust
    base: str
    """What stands before the target in links, where the configuration says it; else the path alone."""


class Body:
    """A body as it comes in. Pieces are put together in one place that is wiped afterwards."""

    __slots__ = ("_one", "_room", "_used", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._one = b""
        self._room: bytearray | None = None
        self._used = 0

    def add(self, piece: bytes) -> bool:
        """Take a piece. False where the body has become too long: from then on it stands for one that is."""
        start = self._used
        end = start + len(piece)
        if end > self.limit:
            self.give_up()
            return False
        if start == 0:
            self._one = piece
        elif end > start:
            if self._room is None:
                # Never grown, or the old place stays as it is. By a memoryview nothing is copied twice.
                self._room = bytearray(self.limit)
                memoryview(self._room)[:start] = self._one
                self._one = b""
            memoryview(self._room)[start:end] = piece
        self._used = end
        return True

    def give_up(self) -> None:
        """Forget what came, and stand for a body that is too long."""
        self.wipe()
        self._one = TOO_LONG

    def lent(self) -> bytes | memoryview:
        """The body, until it is wiped."""
        return self._one if self._room is None else memoryview(self._room)[: self._used]

    def wipe(self) -> None:
        """Forget it. What came as one piece is the server's, and nobody can wipe it."""
        self._one = b""
        if self._room is not None:
            memoryview(self._room)[:] = bytes(len(self._room))
            self._room = None
        self._used = 0


class Request(NamedTuple):
    """What came in, and for whom."""

    mount: Mount
    caller: Caller | None
    method: str
    target: str
    headers: Iterable[tuple[str, str] | tuple[bytes, bytes]]
    body: Body
    base: str


class Mounts:
    """Dialects at their paths. Raises ValueError, or ArgumentError, for what is not of its form."""

    def __init__(
        self,
        vault: Vault,
        dialects: Dialects | None,
        trusted: Trust | Mapping[str, Trust],
        settings: Mapping[str, str],
        base: str,
        base_from_host: bool,
        body_limit: int,
    ) -> None:
        if not 1 <= body_limit <= BODY_MAX:
            raise ValueError(f"body_limit is 1 to {BODY_MAX} bytes")
        if base and base_from_host:
            raise ValueError("links begin with base, or with the request's host: not with both")
        self.vault = vault
        self.body_limit = body_limit
        self.base_from_host = base_from_host
        by_path = named(dialects)
        known = set(by_path)
        trust_of = trusted if isinstance(trusted, Mapping) else dict.fromkeys(known, trusted)
        for what, paths in (("trusted", set(trust_of)), ("settings", set(settings))):
            if paths - known:
                raise ValueError(f"{what} names a path that is not mounted: {sorted(paths - known)}")
        if not all(isinstance(trust, bool) or callable(trust) for trust in trust_of.values()):
            raise TypeError("trusted is a bool or a callable, or a mapping from paths to such")
        base = base.rstrip("/")
        mounts = [
            Mount(path, dialect, settings.get(path, ""), trust_of.get(path, False), base and base + path)
            for path, dialect in by_path.items()
        ]
        for mount in mounts:
            # Says now what each request would say: a setting or a base that there is not.
            vault.handle(mount.dialect, method="GET", target="/", settings=mount.settings, base=mount.base)
        # The longest path first: one may begin another.
        self.mounts = sorted(mounts, key=lambda mount: -len(mount.path))

    def find(self, target: str) -> tuple[Mount, str] | None:
        """Who answers a target, and the target behind the mount's path, byte by byte as it came."""
        for mount in self.mounts:
            path = mount.path
            if target.startswith(path):
                rest = target[len(path) :]
                if rest[:1] == "/":
                    return mount, rest
                if rest[:1] in ("", "?"):
                    return mount, "/" + rest
        return None

    def base_of(self, mount: Mount, prefix: str, scheme: str, host: str | None) -> str:
        """What stands before the target in links. `prefix` is where the host has mounted the app."""
        if mount.base:
            return mount.base
        if self.base_from_host and host is not None and HOST.fullmatch(host):
            return f"{scheme}://{host}{prefix}{mount.path}"
        return prefix + mount.path

    def answer(self, request: Request) -> Reply:
        """Ask the vault. Wipes the body."""
        try:
            return self._ask(request)
        except Exception as failure:
            # A guard has raised, or the vault is closed. Nobody who shows frames is to find a body in them.
            traceback.clear_frames(failure.__traceback__)
            log.error("%s: no answer", request.mount.dialect, exc_info=failure)
            return FAILED
        finally:
            request.body.wipe()

    def _ask(self, request: Request) -> Reply:
        mount, caller, method, target, headers, body, base = request
        vault, merchant = self.vault, None if caller is None else caller.merchant
        if merchant is not None:
            vault = vault.merchant(merchant)
        try:
            reply = vault.handle(
                mount.dialect,
                method=method,
                target=target,
                headers=headers,
                body=body.lent(),
                trusted=caller is not None,
                subject="" if caller is None else caller.subject,
                base=base,
                settings=mount.settings,
            )
        finally:
            if merchant is not None:
                vault.close()
        if reply.failure is not None:
            log.error("%s: the vault failed: %s", mount.dialect, reply.failure.code)
        return Reply(reply.status, reply.headers, reply.body)


def named(names: Dialects | None) -> dict[str, str]:
    """The dialect of each path."""
    known = dialects()
    if names is None:
        names = tuple(known)
    if isinstance(names, str):
        raise TypeError("dialects is a sequence of names, or a mapping from paths to names")
    pairs = list(names.items()) if isinstance(names, Mapping) else [("/" + name, name) for name in names]
    for path, name in pairs:
        if name not in known:
            raise ValueError(f"{name!r} is no dialect: there are {', '.join(known)}")
        if not PATH.fullmatch(path):
            raise ValueError(f"{path!r} is no path to mount at: '' or '/cards/sumup'")
    if not pairs or len(dict(pairs)) != len(pairs):
        raise ValueError("dialects names none, or one twice")
    return dict(pairs)


def reason(status: int) -> str:
    """The phrase that goes with a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def vouched(trust: Trust, about: Mapping[str, Any]) -> Caller | None:
    """The caller whom the host vouches for, if it does."""
    if isinstance(trust, bool):
        return Caller() if trust else None
    caller = trust(about)
    if caller is not None and not isinstance(caller, Caller):
        raise TypeError("trusted gives a Caller, or None")
    return caller


def exact(raw: str | None, path: str, encoding: str) -> str:
    """The path as it was sent, where the server kept it and nobody has changed the decoded one since."""
    if raw is not None and (raw == path or unquote(raw, encoding) == path):
        return raw
    return quote(path.encode(encoding, "surrogateescape"), safe="/:@!$&'()*+,;=~")


def behind(prefix: str, path: str, encoding: str) -> tuple[str, str]:
    """A path as it was sent, taken apart where the path ends at which the host has mounted the app."""
    prefix = prefix.rstrip("/")
    for spelling in (prefix, quote(prefix.encode(encoding, "surrogateescape"))) if prefix else ():
        if path.startswith(spelling) and path[len(spelling) : len(spelling) + 1] in ("", "/"):
            return spelling, path[len(spelling) :]
    return prefix if prefix.isascii() else quote(prefix), path
