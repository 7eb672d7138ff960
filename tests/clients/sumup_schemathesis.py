"""`schemathesis` asks SumUp's dialect all that SumUp's document allows, and much that it does not.

sumup_schemathesis.py DOCUMENT NOTES FOLDER
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import requests
from expect import expect

URL = os.environ["URL"] + "/sumup"
KEY = os.environ["SUMUP_KEY"]
DOCUMENT, NOTES, FOLDER = map(Path, sys.argv[1:])

# All that there are, but for two.
LEFT_OUT = (
    # The document says in words what its schemas do not: that a card's number is one, that a year is `YY` or
    # `YYYY`, that a country has two letters. What fits the schema and not the words is refused.
    "positive_data_acceptance",
    # `"personal_details": null` does not fit the schema. SumUp's own SDK 0.0.11 sends it, and it is taken for
    # nothing.
    "negative_data_rejection",
)


def asked(name: str, document: Path, *how: str) -> tuple[int, Path]:
    """Run it; give its exit status, and the folder of its reports."""
    reports = FOLDER / name
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            str(document),
            *("--url", URL, "--header", f"Authorization: Bearer {KEY}"),
            *("--checks", "all", "--exclude-checks", ",".join(LEFT_OUT)),
            *("--seed", "7", "--generation-deterministic", "--workers", "1"),
            *("--report", "junit,json", "--no-color", "--continue-on-failure"),
            *("--report-junit-path", str(reports / "junit.xml")),
            *("--report-json-path", str(reports / "run.json")),
            *how,
        ],
        cwd=FOLDER,
        capture_output=True,
        text=True,
    )
    if not (reports / "junit.xml").exists():
        sys.exit(done.stdout + done.stderr)
    return done.returncode, reports


def main() -> None:
    """The whole document; then one that says what is not so."""
    made = requests.post(
        f"{URL}/v0.1/customers",
        json={"customer_id": "c-example"},
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    )
    expect("the customer of the examples is there", made.status_code, 201)
    before = len(NOTES.read_text().splitlines())
    status, reports = asked("whole", DOCUMENT, "--max-examples", "10")
    cases = list(ET.parse(reports / "junit.xml").iter("testcase"))
    for case in cases:
        faults = [fault.get("message") or fault.text for fault in case if fault.tag in ("failure", "error")]
        expect(case.get("name", ""), faults, [])
    run = json.loads((reports / "run.json").read_text())
    expect("nothing was found", (status, run["stop_reason"]), (0, "completed"))
    # Six operations, and sequences of them.
    expect("in all operations", (run["operations"]["tested"], len(cases)), (6, 7))
    phases = {name: phase["status"] for name, phase in run["phases"].items()}
    expect("in all phases", phases, dict.fromkeys(("examples", "coverage", "fuzzing", "stateful"), "success"))
    expect("by hundreds of requests", run["test_cases"]["generated"] > 300)
    notes = [json.loads(line) for line in NOTES.read_text().splitlines()[before:]]
    seen = {(note["method"], note["status"]) for note in notes}
    wanted = {
        ("POST", 201),
        ("POST", 400),
        ("POST", 409),
        ("GET", 200),
        ("GET", 404),
        ("PUT", 200),
        ("PUT", 400),
    }
    wanted |= {("DELETE", 204), ("DELETE", 404)}
    expect("which were answered in many ways", sorted(wanted - seen), [])

    # A customer that has what ours does not.
    document = json.loads(DOCUMENT.read_text())
    document["components"]["schemas"]["Customer"]["required"].append("loyalty")
    wrong = FOLDER / "wrong.json"
    wrong.write_text(json.dumps(document))
    status, reports = asked("wrong", wrong, "--include-operation-id", "GetCustomer", "--phases", "examples")
    found = [fault.tag for fault in ET.parse(reports / "junit.xml").iter() if fault.tag == "failure"]
    expect("it finds what is not as the document says", (status, found), (1, ["failure"]))


if __name__ == "__main__":
    main()
