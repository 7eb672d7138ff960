"""Holds SumUp's replies against SumUp's own document.

As a program, `watch.py DOCUMENT FOLDER`, it shows that it finds what is wrong.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from expect import expect
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

HOST = "https://api.sumup.com"


class Watch:
    """Passes requests on, and writes for each reply under a path what the document has against it."""

    def __init__(self, app: Any, path: str, document: Path, notes: Path) -> None:
        self._app = app
        self._path = path
        self._document = OpenAPI.from_dict(json.loads(document.read_text()))
        self._notes = notes
        notes.touch()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not scope["path"].startswith(self._path + "/"):
            return await self._app(scope, receive, send)
        start: dict[str, Any] = {}
        body = b""

        async def heard(message: Any) -> None:
            nonlocal body
            start.update(message if message["type"] == "http.response.start" else {})
            body += message.get("body", b"")
            await send(message)

        await self._app(scope, receive, heard)
        path = scope["path"].removeprefix(self._path)
        fault = self.fault(scope["method"], path, start["status"], dict(start["headers"]), body)
        with self._notes.open("a") as notes:
            print(
                json.dumps({"method": scope["method"], "status": start["status"], "fault": fault}), file=notes
            )
        return None

    def fault(
        self, method: str, path: str, status: int, headers: dict[bytes, bytes], body: bytes
    ) -> str | None:
        """What the document has against a reply."""
        request = MockRequest(HOST, method, path)
        media = headers.get(b"content-type", b"").decode()
        try:
            if status == 204 and (body or media):
                return "204 has no content"
            self._document.validate_response(request, MockResponse(body, status, content_type=media))
        except Exception as fault:
            return f"{type(fault).__name__}: {fault}"
        return None


def main() -> int:
    """Show replies that are wrong, each in its own way, and one that is right."""
    customer = b'{"customer_id":"c-1","personal_details":{"birthdate":"1990-12-10"}}'
    instrument = (
        b'[{"token":"a","active":true,"type":"card","card":{"last_4_digits":"1111","type":"VISA"},'
        b'"created_at":"2026-11-20T19:40:00.000+00:00"}]'
    )
    customers, of_customer = "/v0.1/customers/c-1", "/v0.1/customers/c-1/payment-instruments"
    json_, text = "application/json", "text/plain"
    rows: list[tuple[str, str, str, int, str, bytes, bool]] = [
        ("a customer", "GET", customers, 200, json_, customer, True),
        ("a list", "GET", of_customer, 200, json_, instrument, True),
        ("an empty 204", "DELETE", of_customer + "/a", 204, "", b"", True),
        ("an error", "GET", customers, 404, json_, b'{"error_code":"NOT_FOUND","message":"x"}', True),
        ("a status that is not named", "GET", customers, 299, json_, customer, False),
        ("another media type", "GET", customers, 200, text, customer, False),
        ("no JSON", "GET", customers, 200, json_, customer[1:], False),
        ("a customer without an id", "GET", customers, 200, json_, b"{}", False),
        ("a date that is none", "GET", customers, 200, json_, customer.replace(b"1990", b"19x0"), False),
        ("an object for a list", "GET", of_customer, 200, json_, instrument[1:-1], False),
        ("an unknown network", "GET", of_customer, 200, json_, instrument.replace(b"VISA", b"ALELO"), False),
        ("five last digits", "GET", of_customer, 200, json_, instrument.replace(b"1111", b"11111"), False),
        ("a time without a zone", "GET", of_customer, 200, json_, instrument.replace(b"+00:00", b""), False),
        (
            "a text for a boolean",
            "GET",
            of_customer,
            200,
            json_,
            instrument.replace(b"true", b'"yes"'),
            False,
        ),
        ("a number for a status", "GET", customers, 403, json_, b'{"status_code":403}', False),
        ("a 204 with a body", "DELETE", of_customer + "/a", 204, json_, b"{}", False),
        ("a path that there is not", "GET", "/v0.1/customer", 404, json_, b"{}", False),
        ("a method that there is not", "PATCH", customers, 405, json_, b"{}", False),
    ]
    notes = Path(sys.argv[2]) / "shown.jsonl"

    async def shown(method: str, path: str, status: int, media: str, body: bytes) -> None:
        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            headers = [(b"content-type", media.encode())] if media else []
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        async def nowhere(_message: Any) -> None:
            pass

        scope = {"type": "http", "method": method, "path": "/sumup" + path}
        await Watch(app, "/sumup", Path(sys.argv[1]), notes)(scope, None, nowhere)

    for what, *reply, is_right in rows:
        notes.unlink(missing_ok=True)
        asyncio.run(shown(*reply))
        (line,) = notes.read_text().splitlines()
        expect(f"{what} is {'taken' if is_right else 'found'}", json.loads(line)["fault"] is None, is_right)
    notes.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
