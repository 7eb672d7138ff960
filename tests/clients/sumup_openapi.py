"""A client that holds what it sends and gets against SumUp's own document: PyPI `openapi-core`.

sumup_openapi.py DOCUMENT
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import requests
from expect import expect, raised
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from openapi_core.exceptions import OpenAPIError

URL = os.environ["URL"] + "/sumup"
ID = f"openapi-{os.environ['ID']}"
INSTRUMENTS = f"/v0.1/customers/{ID}/payment-instruments"
VISA = {
    "name": "Ada Byron",
    "number": os.environ["VISA"],
    "expiry_year": "2030",
    "expiry_month": "04",
    "cvv": "123",
}
AMEX = VISA | {"number": os.environ["AMEX"], "expiry_year": "30", "cvv": "1234", "zip_code": "94107"}


class Client:
    """Sends what the document has, and nothing else."""

    def __init__(self) -> None:
        document = json.loads(Path(sys.argv[1]).read_text()) | {"servers": [{"url": URL}]}
        self._document = OpenAPI.from_dict(document)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {os.environ['SUMUP_KEY']}"

    def send(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request; give status and body. OpenAPIError where one of them is not of the document."""
        request = requests.Request(method, URL + path, json=body)
        prepared = self._session.prepare_request(request)
        asked = RequestsOpenAPIRequest(request)
        self._document.validate_request(asked)
        reply = self._session.send(prepared)
        self._document.validate_response(asked, RequestsOpenAPIResponse(reply))
        return reply.status_code, reply.json() if reply.content else None


def in_order(*instruments: dict[str, Any]) -> list[dict[str, Any]]:
    """By their tokens: those of one second come in any order."""
    return sorted(instruments, key=lambda instrument: str(instrument["token"]))


def listed(client: Client) -> tuple[int, list[dict[str, Any]]]:
    """The instruments of the customer."""
    status, instruments = client.send("GET", INSTRUMENTS)
    return status, in_order(*instruments)


def main() -> None:
    """All six operations, and the errors that the document names."""
    client = Client()
    created = client.send("POST", "/v0.1/customers", {"customer_id": ID})
    expect("a customer is created", created, (201, {"customer_id": ID}))
    details = {
        "first_name": "Ada",
        "birthdate": "1990-12-10",
        "address": {"line1": "1 Mill Lane", "country": "GB"},
    }
    put = client.send("PUT", f"/v0.1/customers/{ID}", {"personal_details": details})
    customer = {"customer_id": ID, "personal_details": details}
    expect("updated, in the document's spelling", put, (200, customer))
    expect("and found", client.send("GET", f"/v0.1/customers/{ID}"), (200, customer))

    status, visa = client.send("POST", INSTRUMENTS, {"type": "card", "card": VISA})
    expect("an instrument is created", status, 201)
    expect("with all that the page has", set(visa), {"token", "active", "type", "card", "created_at"})
    expect("and of the card no more than that", visa["card"], {"last_4_digits": "1111", "type": "VISA"})
    status, amex = client.send("POST", INSTRUMENTS, {"type": "card", "card": AMEX})
    expect("another network", (status, amex["card"]), (201, {"last_4_digits": "0005", "type": "AMEX"}))
    expect("both are listed", listed(client), (200, in_order(visa, amex)))
    expect("one is deactivated", client.send("DELETE", f"{INSTRUMENTS}/{visa['token']}"), (204, None))
    expect("and listed as not active", listed(client), (200, in_order(visa | {"active": False}, amex)))

    def create(card: dict[str, str]) -> tuple[int, Any]:
        return client.send("POST", INSTRUMENTS, {"type": "card", "card": card})

    status, error = create(VISA | {"number": "4111111111111112"})
    invalid = {"message": "Validation error", "error_code": "INVALID", "param": "card.number"}
    expect("one fault is an object", (status, error), (400, invalid))
    status, error = create(VISA | {"number": "0", "expiry_year": "2020"})
    found = [fault["param"] for fault in error]
    expect("two are a list", (status, found), (400, ["card.number", "card.expiry_year"]))
    expect("three more fit", [create(VISA)[0] for _ in range(3)], [201] * 3)
    full = {
        "error_code": "MAX_INSTRUMENT_COUNT",
        "message": "Max number of payment instruments on file reached",
    }
    expect("and a fifth active one does not", create(VISA), (409, full))
    missing = {"error_code": "NOT_FOUND", "message": "Resource not found"}
    expect("an unknown customer", client.send("GET", "/v0.1/customers/nobody"), (404, missing))

    for what, body in (
        ("a card without a number", {"type": "card", "card": {"name": "Ada Byron"}}),
        ("an instrument of another type", {"type": "bank", "card": VISA}),
    ):
        refused = raised(OpenAPIError, lambda body=body: client.send("POST", INSTRUMENTS, body))
        expect(f"the client itself refuses {what}", refused is not None)


if __name__ == "__main__":
    main()
