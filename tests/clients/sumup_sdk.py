"""SumUp's Python SDK of today: PyPI `sumup`."""

import asyncio
import datetime
import os

import pydantic
from expect import expect, raised
from sumup import APIError, AsyncSumup, Sumup
from sumup.types import Customer, Error, ErrorExtended, ErrorForbidden, PaymentInstrumentResponse

URL = os.environ["URL"] + "/sumup"
KEY = os.environ["SUMUP_KEY"]
ID = f"new-{os.environ['ID']}"
CARD = {
    "name": "Ada Byron",
    "number": os.environ["VISA"],
    "expiry_year": "2030",
    "expiry_month": "04",
    "cvv": "123",
}
ADDRESS = {"line_1": "1 Mill Lane", "city": "Leeds", "postal_code": "LS1 1AA", "country": "GB"}


def customers(client: Sumup) -> None:
    """Create, get, update."""
    details = {
        "first_name": "Ada",
        "last_name": "Byron",
        "email": "ada@example.org",
        "phone": "+44 113 496 0000",
        "birth_date": datetime.date(1990, 12, 10),
        "tax_id": "GB-1",
        "address": ADDRESS,
    }
    made = client.customers.create(customer_id=ID, personal_details=details)
    expect("a customer is created", isinstance(made, Customer) and made.customer_id == ID)
    expect("with the details that were sent", made.personal_details.model_dump(exclude_none=True), details)
    expect("and is found again", client.customers.get(ID), made)
    changed = client.customers.update(
        ID, personal_details={"phone": "+44 113 496 0001", "address": {"city": "York", "country": "GB"}}
    )
    after = details | {"phone": "+44 113 496 0001", "address": ADDRESS | {"city": "York"}}
    expect(
        "an update changes what it names alone", changed.personal_details.model_dump(exclude_none=True), after
    )
    expect("and stays", client.customers.get(ID), changed)
    plain = client.customers.create(customer_id=f"{ID}-plain")
    expect("a customer needs no details", plain.personal_details, None)
    none = client.customers.create(customer_id=f"{ID}-none", personal_details=None)
    expect("nor any that are null", none.customer_id, f"{ID}-none")


def instruments(client: Sumup) -> None:
    """List and deactivate. The SDK cannot create: that goes over its own HTTP client."""
    path = f"/v0.1/customers/{ID}/payment-instruments"
    expect("a new customer has no instruments", client.customers.list_payment_instruments(ID), [])
    reply = client._client.post(path, json={"type": "card", "card": CARD})
    expect("an instrument is created", reply.status_code, 201)
    made = pydantic.TypeAdapter(PaymentInstrumentResponse).validate_python(reply.json())
    (listed,) = client.customers.list_payment_instruments(ID)
    expect("and listed as it was answered", listed, made)
    expect("with network and last four", (listed.card.type, listed.card.last_4_digits), ("VISA", "1111"))
    age = datetime.datetime.now(datetime.UTC) - listed.created_at
    expect("and the time of its creation", abs(age) < datetime.timedelta(minutes=1))
    expect("and no mandate", (listed.active, listed.type, listed.mandate), (True, "card", None))
    expect("it is deactivated", client.customers.deactivate_payment_instrument(ID, listed.token), None)
    (listed,) = client.customers.list_payment_instruments(ID)
    expect("and listed as not active", listed.active, False)
    refused(
        "a second time", 404, Error, lambda: client.customers.deactivate_payment_instrument(ID, made.token)
    )


def refused(what: str, status: int, body: object, call: object) -> None:
    """Expect an error of the SDK's, with a body of its type."""
    error = raised(APIError, call)
    expect(f"{what}: {status}", getattr(error, "status", None), status)
    found = type(getattr(error, "body", None))
    expect(f"{what}: the error is a {body.__name__}", found, body)


def errors(client: Sumup) -> None:
    """What is refused comes out as the SDK's own exceptions."""
    create, get = client.customers.create, client.customers.get
    refused("a customer of that id again", 409, Error, lambda: create(customer_id=ID))
    refused("an unknown customer", 404, Error, lambda: get("nobody"))
    listed = client.customers.list_payment_instruments
    refused("an unknown customer's instruments", 404, Error, lambda: listed("nobody"))
    wrong = {"address": {"country": "Britain"}}
    error = raised(APIError, lambda: create(customer_id="x", personal_details=wrong))
    param = "personal_details.address.country"
    extended = ErrorExtended(error_code="INVALID", message="Validation error", param=param)
    expect("a wrong country: 400, and where", (error.status, error.body), (400, extended))
    with Sumup(api_key="sup_sk_wrong", base_url=URL) as stranger:
        refused("an unknown key", 401, dict, lambda: stranger.customers.get(ID))
    with Sumup(api_key=os.environ["SUMUP_KEY_WITHOUT_SCOPE"], base_url=URL) as other:
        refused("a key without the scope", 403, ErrorForbidden, lambda: other.customers.get(ID))


async def asynchronous() -> None:
    """The asynchronous client."""
    async with AsyncSumup(api_key=KEY, base_url=URL) as client:
        made = await client.customers.create(customer_id=f"{ID}-async")
        expect("the asynchronous client creates", made.customer_id, f"{ID}-async")
        found = await asyncio.gather(*(client.customers.get(made.customer_id) for _ in range(8)))
        expect("and gets, eight at a time", found, [made] * 8)


if __name__ == "__main__":
    with Sumup(api_key=KEY, base_url=URL) as client:
        customers(client)
        instruments(client)
        errors(client)
    asyncio.run(asynchronous())
