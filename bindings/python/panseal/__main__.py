"""`python -m panseal serve`: the dialects under uvicorn, for trying out.

    python -m panseal serve --vault sqlite:cards.db --root file:cards.root --dialect sumup
    python -m panseal serve --vault memory: --root file:cards.root --dialect =stax --trusted

In production a server of your own runs `panseal.asgi.app` or `panseal.wsgi.app`.
"""

import argparse
import importlib.util
import ipaddress
import logging
import sys
from collections.abc import Sequence

import panseal
from panseal.asgi import App, Caller, Message, Receive, Scope, Send

access = logging.getLogger("panseal.access")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; give the exit status."""
    wanted = parse(arguments)
    if importlib.util.find_spec("uvicorn") is None:
        return fail("uvicorn is not installed: pip install 'panseal[serve]'")
    if wanted.trusted is not None and not is_loopback(wanted.host):
        return fail("--trusted believes everybody who reaches the port: it needs --host 127.0.0.1")
    logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        with panseal.Vault.open(wanted.vault, root=wanted.root, merchant=wanted.merchant) as vault:
            return serve(vault, wanted)
    except panseal.PansealError as failure:
        return fail(f"{failure} ({failure.code})")
    except ValueError as failure:
        return fail(str(failure))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m panseal", description="panseal's dialects, for trying out")
    commands = parser.add_subparsers(required=True, metavar="serve")
    serve = commands.add_parser("serve", help="serve the dialects under uvicorn")
    serve.add_argument("--vault", required=True, metavar="URL", help="sqlite:PATH, postgres://... or memory:")
    serve.add_argument("--root", required=True, metavar="URI", help="the root key: file:PATH")
    serve.add_argument("--merchant", default="", help="whose handle it is")
    serve.add_argument(
        "--dialect",
        action="append",
        metavar="[PATH=]NAME",
        help=f"{', '.join(panseal.dialects())}; under /NAME, or at a path: =stax at the root. May be "
        "repeated; all of them by default",
    )
    serve.add_argument(
        "--settings", action="append", default=[], metavar="PATH:NAME=VALUE", help="/sumup:max_instruments=8"
    )
    serve.add_argument(
        "--trusted",
        nargs="?",
        const="",
        metavar="SUBJECT",
        help="believe everybody who reaches the port, on behalf of this user; on a loopback address only",
    )
    serve.add_argument("--base", default="", metavar="URL", help="what links in replies begin with")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8000)
    return parser.parse_args(arguments)


def serve(vault: panseal.Vault, wanted: argparse.Namespace) -> int:
    """Serve until somebody stops it."""
    import uvicorn

    subject = wanted.trusted
    app = panseal.asgi.app(
        vault,
        dialects=mounts_of(wanted.dialect),
        trusted=False if subject is None else lambda _scope: Caller(subject=subject),
        settings=settings_of(wanted.settings),
        base=wanted.base,
    )
    # uvicorn's own access log has the whole target, and there is no telling what callers put into one.
    uvicorn.run(
        Logged(app),
        host=wanted.host,
        port=wanted.port,
        access_log=False,
        server_header=False,
        log_config=None,
    )
    return 0


class Logged:
    """Writes a line for each request: its method, the path of the mount that answered, the status."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                mount = self._app.mount_of(scope)
                method = scope["method"] if scope["method"] in METHODS else "?"
                access.info("%s %s %d", method, "?" if mount is None else mount + "/", message["status"])
            await send(message)

        return await self._app(scope, receive, noted)


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def mounts_of(wanted: Sequence[str] | None) -> dict[str, str] | None:
    """The dialect of each path."""
    if wanted is None:
        return None
    pairs = [text.partition("=") if "=" in text else ("/" + text, "", text) for text in wanted]
    mounts = {path: name for path, _, name in pairs}
    if len(mounts) != len(pairs):
        raise ValueError("--dialect has a path twice")
    return mounts


def settings_of(wanted: Sequence[str]) -> dict[str, str]:
    """The settings of each path."""
    settings: dict[str, list[str]] = {}
    for text in wanted:
        path, _, setting = text.partition(":")
        settings.setdefault(path, []).append(setting)
    return {path: " ".join(of_path) for path, of_path in settings.items()}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fail(why: str) -> int:
    """Say what is wrong."""
    print(f"panseal: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
