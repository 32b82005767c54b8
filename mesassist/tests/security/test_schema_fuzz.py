"""The OpenAPI schema against the running portal: no answer that it does not name, and none that is a fault of ours."""

import os
from collections import Counter
from itertools import cycle
from pprint import pformat

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis import checks as known

from mesassist.tenants.models import Scope
from mesassist.tests.security.figures import note
from mesassist.tests.security.plants import Plant
from mesassist.tests.security.portal import running_portal

pytestmark = pytest.mark.django_db(transaction=True)
FULL = os.environ.get("WALLS") == "full"
EXAMPLES = int(os.environ.get("WALLS_EXAMPLES", "150" if FULL else "2"))
known.load_all_checks()
CHECKS = [
    known.CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]
QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def keys(alfa, boris, api_key, client_of):
    """Every kind of key, all scopes together, and a session."""
    Plant(alfa, boris).fill()
    kinds = {scope: {"Authorization": f"Api-Key {api_key(alfa, scope, name=f'k-{scope}')}"} for scope in Scope.values}
    kinds["everything"] = {"Authorization": f"Api-Key {api_key(alfa, *Scope.values)}"}
    kinds["session"] = {"Cookie": f"sessionid={client_of(boris).cookies['sessionid'].value}"}
    return kinds


def try_operation(operation, mode, kinds, portal, seen):
    """Send what the schema allows, or what it does not, with each kind of key; what came is counted in `seen`."""

    turns = cycle(kinds.values())

    @QUIET
    @given(case=operation.as_strategy(generation_mode=mode))
    def go(case):
        # Each request in everybody's name, or in turn by one of them.
        for headers in kinds.values() if FULL else [next(turns)]:
            answer = case.call(base_url=f"http://{portal}", headers=headers)
            if (operation.label, answer.status_code) in OF_OTHERS:
                continue
            seen[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

    go()


# The fault of an endpoint that does not answer is told as what it is.
OF_OTHERS = {("GET /api/v1/assistant/models/", 502)}


def describe(error):
    """What went wrong, briefly, of several things too."""
    inner = getattr(error, "exceptions", ())
    return " / ".join(map(describe, inner)) if inner else f"{type(error).__name__}: {str(error)[:500]}"


class TestSchema:
    def test_every_answer_is_one_that_it_names(self, keys):
        seen, wrong = Counter(), {}
        with running_portal(connections=4) as portal:
            schema = schemathesis.openapi.from_url(f"http://{portal}/api/v1/schema/?format=json")
            for found in schema.get_all_operations():
                operation = found.ok()
                for mode in GenerationMode:
                    try:
                        try_operation(operation, mode, keys, portal, seen)
                    except Unsatisfiable:
                        continue  # what takes nothing cannot be sent wrongly
                    except (Exception, BaseExceptionGroup) as error:
                        wrong[f"{operation.label}, {mode.value}"] = describe(error)
        note("requests made up from the schema", seen.total())
        note("answers >= 500", sum(count for status, count in seen.items() if status >= 500))
        note("answers that the schema does not name", len(wrong))
        assert not wrong, pformat(wrong, width=150)
