"""SumUp's own OpenAPI document, cut down to what is served, and amended where it must be.

`sumup-2024-02-27.json` is github.com/sumup/sumup-openapi at cd42ae8c7113929d9e7071d442981ea67a17b7e4, the
last of their documents in which payment instruments can be created.
"""

import copy
import json
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parent / "sumup-2024-02-27.json"

SERVED = (
    "CreateCustomer",
    "GetCustomer",
    "UpdateCustomer",
    "ListPaymentInstruments",
    "CreatePaymentInstrument",
    "DeactivatePaymentInstrument",
)


def amended(examples: dict[str, str]) -> dict[str, Any]:
    """The document. `examples` are values for `customer_id`, `number` and `expiry_year` that can be used."""
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    paths = {}
    for path, item in document["paths"].items():
        kept = {name: value for name, value in item.items() if is_served(value)}
        if kept:
            paths[path] = kept | {name: value for name, value in item.items() if name == "parameters"}
    document["paths"] = paths
    by_id = {op["operationId"]: op for item in paths.values() for op in item.values() if is_served(op)}
    assert set(by_id) == set(SERVED)
    # It names no answer to a customer that cannot be one. SumUp's documents of today have 400 for that,
    # with the body that this one has for a card.
    invalid = by_id["CreatePaymentInstrument"]["responses"]["400"]
    for name in ("CreateCustomer", "UpdateCustomer"):
        by_id[name]["responses"]["400"] = copy.deepcopy(invalid)
    # It gives 204 a content; in HTTP there is none (RFC 9110, section 15.3.5).
    del by_id["DeactivatePaymentInstrument"]["responses"]["204"]["content"]
    # Its examples are a card that does not exist and has expired, and customers that nobody has made.
    card = document["components"]["schemas"]["Card"]["properties"]
    for name in ("number", "expiry_year"):
        card[name]["example"] = examples[name]
    for item in paths.values():
        for parameter in item.get("parameters", ()):
            if parameter["name"] == "customer_id":
                parameter["example"] = examples["customer_id"]
    return document


def is_served(operation: Any) -> bool:
    """Whether the dialect has an operation."""
    return isinstance(operation, dict) and operation.get("operationId") in SERVED
