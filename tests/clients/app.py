"""The dialects of a new vault under uvicorn, on a free port of the loopback address, for `run.py`.

    app.py FOLDER DOCUMENT

Prints one line of JSON: the URL, and what the callers present. Vault and root key are made in FOLDER, and so
is `sumup.jsonl`: a line for each of SumUp's replies, with what DOCUMENT has against it. All that a log could
tell goes to the standard error stream. Ends with its standard input.
"""

import asyncio
import json
import logging
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import panseal
import uvicorn
from panseal.asgi import Message, Receive, Scope, Send
from watch import Watch

AUTHENTICITY_TOKEN = "7db11ea5d4a1af32421b564c79b946d1ead3daf0"
MERCHANT_KEY = b"qwert1234"
PACE_SCOPES = " ".join(f"pay:payment-methods:{what}" for what in ("create", "read", "patch", "delete"))

# Of the signature that WebPay's documents print: 29 June 2020. Under /then it is always that time.
THEN = 1_593_457_122


class AtThatTime:
    """A vault whose clock stands still. An application takes it for one: it asks for no more of a vault."""

    def __init__(self, vault: panseal.Vault) -> None:
        self._vault = vault
        self.store = vault.store

    def handle(self, dialect: str, **request: Any) -> panseal.Response:
        """Answer a request then."""
        return self._vault.handle(dialect, now=THEN, **request)


class Both:
    """An application, and under /then another one."""

    def __init__(self, now: Any, then: Any) -> None:
        self._now = now
        self._then = then

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        is_then = scope["type"] == "http" and scope["path"].startswith("/then/")
        await (self._then if is_then else self._now)(scope, receive, send)


class Noted:
    """Notes each request and its status: the most talkative access log that there is."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def noted(message: Message) -> None:
            logging.info("%s %s", scope.get("raw_path"), message)
            await send(message)

        await self._app(scope, receive, noted)


def card_tokens(vault: panseal.Vault) -> dict[str, str]:
    """Tokens for PACE, where no card number comes in; the last one is out of use."""
    numbers = [os.environ[name] for name in ("VISA", "MASTERCARD", "AMEX", "AMEX")]
    made = [vault.tokenize(number, expiry="04/30").token for number in numbers]
    vault.deactivate(made[3])
    return dict(zip(("CARD_TOKEN", "CARD_TOKEN_2", "CARD_TOKEN_3", "CARD_TOKEN_OFF"), made, strict=True))


def grants(vault: panseal.Vault) -> dict[str, str]:
    """What the callers present, as the environment variables by which the clients find it."""
    vault.grant_signing("webpay", AUTHENTICITY_TOKEN, MERCHANT_KEY)
    keys = {
        "SUMUP_KEY": vault.grant("sumup", scopes="payment_instruments"),
        "SUMUP_KEY_WITHOUT_SCOPE": vault.grant("sumup", scopes="payments"),
        "STAX_KEY": vault.grant("stax"),
        "PACE_KEY": vault.grant("pace", subject="user-1", scopes=PACE_SCOPES),
        "PACE_KEY_OF_ANOTHER": vault.grant("pace", subject="user-2", scopes=PACE_SCOPES),
        "PACE_KEY_TO_READ": vault.grant("pace", subject="user-1", scopes="pay:payment-methods:read"),
        "PACE_KEY_OF_NOBODY": vault.grant("pace", scopes=PACE_SCOPES),
    }
    signing = {"WEBPAY_TOKEN": AUTHENTICITY_TOKEN, "WEBPAY_KEY": MERCHANT_KEY.decode(), "THEN": str(THEN)}
    return {name: key.reveal() for name, key in keys.items()} | signing


async def serve(app: Any, socket_: socket.socket) -> None:
    """Serve until the standard input ends."""
    config = uvicorn.Config(app, log_config=None, log_level="trace", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[socket_]))
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


def main() -> int:
    """Make the vault and serve it."""
    folder, document = map(Path, sys.argv[1:])
    logging.basicConfig(stream=sys.stderr, level=1, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    root = f"file:{folder / 'cards.root'}"
    panseal.create_root_key(root)
    with (
        panseal.Vault.open(f"sqlite:{folder / 'cards.db'}", root=root, merchant="m-1") as vault,
        socket.create_server(("127.0.0.1", 0)) as socket_,
    ):
        url = f"http://127.0.0.1:{socket_.getsockname()[1]}"
        now = panseal.asgi.app(vault, base=url)
        mounts = {"/then/webpay": "webpay", "/then/webpay-with-v2": "webpay"}
        settings = {"/then/webpay-with-v2": "wp3_v2=on"}
        then = panseal.asgi.app(AtThatTime(vault), dialects=mounts, settings=settings)  # type: ignore[arg-type]
        watched = Watch(now, "/sumup", document, folder / "sumup.jsonl")
        about = {"URL": url, "ID": secrets.token_hex(4)} | grants(vault) | card_tokens(vault)
        print(json.dumps(about), flush=True)
        asyncio.run(serve(Noted(Both(watched, then)), socket_))
    return 0


if __name__ == "__main__":
    sys.exit(main())
