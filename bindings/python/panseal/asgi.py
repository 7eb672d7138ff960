"""The dialects as an ASGI application, for any server and below any framework.

    vault = panseal.Vault.open("sqlite:cards.db", root="file:cards.root")
    app = panseal.asgi.app(vault, dialects=["sumup", "stax"])          # uvicorn module:app

`/sumup/v0.1/customers` is then SumUp's `/v0.1/customers`. docs/dialects.md says how to mount it, who may
call, and what a proxy in front of it has to keep as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from panseal._mount import (
    BAD_REQUEST,
    BODY_MAX,
    BUSY,
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
    vouched,
)
from panseal._native import Vault

__all__ = ["Caller", "app"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


def app(
    vault: Vault,
    *,
    dialects: Dialects | None = None,
    trusted: Trust | Mapping[str, Trust] = False,
    settings: Mapping[str, str] | None = None,
    base: str = "",
    base_from_host: bool = False,
    body_limit: int = BODY_MAX,
    threads: int = 4,
    waiting: int = 256,
) -> "App":
    """Make an ASGI application that answers as the providers would.

    | argument         | what it is                                                                          |
    |------------------|-------------------------------------------------------------------------------------|
    | `dialects`       | names, each mounted under `/NAME`, or a mapping from paths to names; "" is the      |
    |                  | root. None: all of them                                                             |
    | `trusted`        | False: callers present credentials (`Vault.grant`). True: everybody acts for the    |
    |                  | vault's merchant. A callable gets the scope and gives a `Caller` whom you have      |
    |                  | authenticated, or None: then they present a credential; it is called on the event   |
    |                  | loop. Or a mapping from paths to these                                              |
    | `settings`       | a mapping from paths to settings: {"/sumup": "max_instruments=8"}                   |
    | `base`           | where the app is reached from outside, for links: "https://pay.example.org/cards"   |
    | `base_from_host` | take that from the request's scheme and Host. Without either, links are paths       |
    | `body_limit`     | a longer body is refused in the provider's words, and not read to its end           |
    | `threads`        | how many requests work at a time on a vault that is on disk or in PostgreSQL; one   |
    |                  | in memory is asked on the event loop                                                |
    | `waiting`        | how many more may wait for these: the next one is answered 503                      |

    ValueError, TypeError or ArgumentError for what is not of its form. The vault stays open behind the app.
    """
    mounts = Mounts(vault, dialects, trusted, settings or {}, base, base_from_host, body_limit)
    return App(mounts, threads, waiting)


class App:
    """An ASGI application, made by `app`."""

    def __init__(self, mounts: Mounts, threads: int, waiting: int) -> None:
        if threads < 1 or waiting < 0:
            raise ValueError("threads is 1 or more, waiting 0 or more")
        self._mounts = mounts
        self._threads = 0 if mounts.vault.store == "memory" else threads
        self._room = threads + waiting
        self._pool: ThreadPoolExecutor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or the server's messages about its life."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close"})
        else:
            raise ValueError(f"an ASGI scope of another type: {kind}")

    def mount_of(self, scope: Scope) -> str | None:
        """The path of the mount that answers a request; None where none does."""
        found = self._mounts.find(target_of(scope)[1])
        return None if found is None else found[0].path

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix, target = target_of(scope)
        found = self._mounts.find(target)
        if found is None:
            return await reply(send, scope, NOT_FOUND)
        mount, target = found
        if not target.isascii():
            return await reply(send, scope, BAD_REQUEST)
        caller = vouched(mount.trust, scope)
        headers = scope["headers"]
        body = Body(self._mounts.body_limit)
        try:
            if not await read(body, receive):
                return None
            host = None
            if self._mounts.base_from_host:
                host = next((value.decode("latin-1") for name, value in headers if name == b"host"), None)
            base = self._mounts.base_of(mount, prefix, scope.get("scheme", "http"), host)
            request = Request(mount, caller, scope["method"], target, headers, body, base)
            answer = await self._elsewhere(request) if self._threads else self._mounts.answer(request)
        finally:
            body.wipe()
        return await reply(send, scope, answer)

    async def _elsewhere(self, request: Request) -> Reply:
        """Answer on a thread: a commit waits for the disk."""
        if self._room == 0:
            return BUSY
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "panseal")
        self._room -= 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._mounts.answer, request)
        finally:
            self._room += 1

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            match (await receive())["type"]:
                case "lifespan.startup":
                    await send({"type": "lifespan.startup.complete"})
                case "lifespan.shutdown":
                    pool, self._pool = self._pool, None
                    if pool is not None:
                        await asyncio.to_thread(pool.shutdown)
                    return await send({"type": "lifespan.shutdown.complete"})


def target_of(scope: Scope) -> tuple[str, str]:
    """Where the host has mounted the app, and the target behind that, byte by byte as it was sent."""
    sent = scope.get("raw_path")
    raw = None if sent is None else sent.decode("latin-1")
    prefix, target = behind(scope.get("root_path", ""), exact(raw, scope["path"], "utf-8"), "utf-8")
    query = scope.get("query_string", b"")
    return prefix, f"{target}?{query.decode('latin-1')}" if query else target


async def read(body: Body, receive: Receive) -> bool:
    """Read a body, to its end or until it is too long. False: the caller has gone."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        if not body.add(message.get("body", b"")) or not message.get("more_body", False):
            return True


async def reply(send: Send, scope: Scope, answer: Reply) -> None:
    """Send a reply; to HEAD without its body."""
    status, headers, body = answer
    lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if status != 204:
        lines.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
