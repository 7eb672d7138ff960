"""The dialects as a WSGI application (PEP 3333), for any server and below any framework.

    app = panseal.wsgi.app(vault, dialects={"": "stax"})          # gunicorn module:app

What holds for `panseal.asgi` holds here. A signature is over the path as it was sent, which WSGI itself does
not tell: it is taken from `REQUEST_URI` or `RAW_URI`, which most servers add, where that agrees with
`PATH_INFO`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from panseal._mount import (
    BAD_REQUEST,
    BODY_MAX,
    NO_LENGTH,
    NOT_FOUND,
    Body,
    Caller,
    Dialects,
    Mounts,
    Reply,
    Request,
    Trust,
    behind,
    exact,
    reason,
    vouched,
)
from panseal._native import Vault

__all__ = ["Caller", "app"]

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., object]

PIECE = 16384


def app(
    vault: Vault,
    *,
    dialects: Dialects | None = None,
    trusted: Trust | Mapping[str, Trust] = False,
    settings: Mapping[str, str] | None = None,
    base: str = "",
    base_from_host: bool = False,
    body_limit: int = BODY_MAX,
) -> "App":
    """Make a WSGI application that answers as the providers would.

    The arguments are those of `panseal.asgi.app`; a callable as `trusted` gets the WSGI environment.
    """
    return App(Mounts(vault, dialects, trusted, settings or {}, base, base_from_host, body_limit))


class App:
    """A WSGI application, made by `app`."""

    def __init__(self, mounts: Mounts) -> None:
        self._mounts = mounts

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        status, headers, body = self._answer(environ)
        if status != 204:
            headers = [*headers, ("Content-Length", str(len(body)))]
        start_response(f"{status} {reason(status)}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: Environ) -> Reply:
        prefix, target = behind(environ.get("SCRIPT_NAME", ""), path_of(environ), "latin-1")
        if query := environ.get("QUERY_STRING", ""):
            target = f"{target}?{query}"
        found = self._mounts.find(target)
        if found is None:
            return NOT_FOUND
        mount, target = found
        if not target.isascii():
            return BAD_REQUEST
        caller = vouched(mount.trust, environ)
        body = Body(self._mounts.body_limit)
        try:
            if (fault := read(body, environ)) is not None:
                return fault
            scheme, host = environ.get("wsgi.url_scheme", "http"), environ.get("HTTP_HOST")
            base = self._mounts.base_of(mount, prefix, scheme, host)
            method, headers = environ["REQUEST_METHOD"], headers_of(environ)
            return self._mounts.answer(Request(mount, caller, method, target, headers, body, base))
        finally:
            body.wipe()


def path_of(environ: Environ) -> str:
    """The path as it was sent, that of the host's mount included."""
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if raw is not None:
        raw = raw.partition("?")[0]
    return exact(raw, environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), "latin-1")


def headers_of(environ: Environ) -> list[tuple[str, str]]:
    """The headers of a request. `-` and `_` have become the same: what is told twice counts as told once."""
    found = {
        name[5:].replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and name not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")
    }
    if content_type := environ.get("CONTENT_TYPE", ""):
        found["CONTENT-TYPE"] = content_type
    return list(found.items())


def read(body: Body, environ: Environ) -> Reply | None:
    """Read a body, to its end or until it is too long; the reply to one that cannot be read."""
    source, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or None
    if length is not None:
        if not (length.isascii() and length.isdigit()):
            return BAD_REQUEST
        left = int(length)
        if left > body.limit:
            body.give_up()
            return None
    elif environ.get("wsgi.input_terminated"):
        left = body.limit + 1
    else:
        return None if "HTTP_TRANSFER_ENCODING" not in environ else NO_LENGTH
    while left > 0:
        piece = source.read(min(left, PIECE))
        if not piece:
            # Cut off: the caller has gone. Without a length, that is the end.
            return None if length is None else BAD_REQUEST
        if not body.add(piece):
            return None
        left -= len(piece)
    return None
