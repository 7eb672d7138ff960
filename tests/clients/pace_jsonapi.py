"""A JSON:API client of PyPI's for PACE: `jsonapi-requests`."""

import json
import os
import uuid

import requests
from expect import expect, raised
from jsonapi_requests import Api, JsonApiObject
from jsonapi_requests.request_factory import ApiClientError

URL = os.environ["URL"] + "/pace/pay/2020-4"
CARD_TOKEN = os.environ["CARD_TOKEN_2"]


class Bearer(requests.auth.AuthBase):
    """A key in the header."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put it there."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def client(key: str) -> Api:
    """A client with the key of that name. By default it ends every path with a slash."""
    return Api.config(API_ROOT=URL, AUTH=Bearer(os.environ[key]), TIMEOUT=30, RETRIES=1)


def wanted(token: str, **how: str) -> JsonApiObject:
    """What registers a card token."""
    attributes = {"kind": "creditcard", "cardToken": token}
    return JsonApiObject(**{"type": "paymentMethod", "attributes": attributes} | how)


def refused(what: str, status: int, code: str | None, call: object) -> None:
    """Expect an error object of JSON:API."""
    error = raised(ApiClientError, call)
    (found,) = json.loads(error.content)["errors"] if error else [{}]
    expect(
        f"{what}: {status} {code or ''}".rstrip(),
        (found.get("status"), found.get("code")),
        (str(status), code),
    )


def main() -> None:
    """Register, find, name, delete."""
    api = client("PACE_KEY")
    creditcard, methods = api.endpoint("payment-methods/creditcard"), api.endpoint("payment-methods")
    before = len(methods.get().data)
    id_ = str(uuid.uuid4())
    made = creditcard.post(object=wanted(CARD_TOKEN, id=id_))
    expect(
        "a card token is registered, by the id that was sent", (made.status_code, made.data.id), (201, id_)
    )
    expect("as a payment method", made.data.type, "paymentMethod")
    shown = {"kind": "creditcard", "identificationString": "Mastercard **** **** **** 4444"}
    expect("that can be told", made.data.attributes.items() >= shown.items())
    again = creditcard.post(object=wanted(CARD_TOKEN))
    expect("once: 303, which leads to it", (again.status_code, again.data), (200, made.data))
    one = api.endpoint(f"payment-methods/{id_}")
    expect("it is found", one.get().data, made.data)
    listed = methods.get().data
    expect("and listed", (len(listed), made.data in listed), (before + 1, True))
    alias = JsonApiObject(type="paymentMethod", id=id_, attributes={"alias": "Žana's"})
    patched = one.patch(object=alias)
    expect("and given an alias", (patched.status_code, patched.data.attributes["alias"]), (200, "Žana's"))
    expect("which stays", one.get().data.attributes["alias"], "Žana's")

    refused(
        "that id for another card",
        409,
        None,
        lambda: creditcard.post(object=wanted(os.environ["CARD_TOKEN_3"], id=id_)),
    )
    refused("another type", 409, None, lambda: creditcard.post(object=wanted(CARD_TOKEN, type="card")))
    refused(
        "a token that there is not",
        422,
        "provider:invalid-content",
        lambda: creditcard.post(object=wanted("0" * 48)),
    )
    off = os.environ["CARD_TOKEN_OFF"]
    refused(
        "a token out of use", 422, "provider:card-not-usable", lambda: creditcard.post(object=wanted(off))
    )
    refused("no token", 422, None, lambda: creditcard.post(object=wanted("")))
    other = client("PACE_KEY_OF_ANOTHER").endpoint
    refused("another user does not find it", 404, None, lambda: other(f"payment-methods/{id_}").get())
    theirs = other("payment-methods/creditcard")
    refused(
        "nor registers it", 422, "provider:invalid-content", lambda: theirs.post(object=wanted(CARD_TOKEN))
    )
    nobody = client("PACE_KEY_OF_NOBODY").endpoint("payment-methods")
    refused("a key without a user", 401, "missing-linked-identity", lambda: nobody.get())
    reader = client("PACE_KEY_TO_READ").endpoint(f"payment-methods/{id_}")
    refused("who may read may not delete", 403, None, lambda: reader.delete())
    for what, status, header in (("JSON", 415, "Content-Type"), ("HTML", 406, "Accept")):
        media = {"Content-Type": "application/vnd.api+json", "Accept": "application/vnd.api+json"}
        headers = media | {header: "application/json" if what == "JSON" else "text/html"}
        refused(
            what,
            status,
            None,
            lambda headers=headers: creditcard.post(object=wanted(CARD_TOKEN), headers=headers),
        )

    expect("it is deleted", one.delete().status_code, 204)
    refused("and gone", 404, None, lambda: one.get())
    expect("from the list too", len(methods.get().data), before)


if __name__ == "__main__":
    main()
