"""What schemathesis is told about the house that it asks."""

import atexit
import collections
import json
import os

import schemathesis

# Whoever looks afterwards must still get in: the administrator, the groups and the key of this run.
SPARED = set(os.environ["SPARED"].split())

# How many answers had which status: whoever runs this looks at it afterwards.
ANSWERS = collections.Counter()


@atexit.register
def leave_answers():
    with open(os.environ["ANSWERS"], "w", encoding="utf-8") as file:
        json.dump(ANSWERS, file)


@schemathesis.hook
def filter_case(context, case):
    if case.operation.path == "/v1/signingKeys:rotate" and isinstance(case.body, dict) and case.body.get("revoke"):
        # Done over and over it would end everybody's tokens, and nothing else would be tried.
        return False
    return not any(str(value) in SPARED for value in (case.path_parameters or {}).values())


@schemathesis.check
def no_fault_of_ours(context, response, case):
    """Overload may be told, with the moment to come back: how often is looked at afterwards."""
    ANSWERS[response.status_code] += 1
    honest = response.status_code == 503 and "retry-after" in response.headers
    if response.status_code >= 500 and not honest:
        raise AssertionError(f"{response.status_code}: {response.text[:500]}")
