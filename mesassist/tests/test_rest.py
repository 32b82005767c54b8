"""The REST door: who gets in, into which tenant, and how every refusal reads."""

import datetime as dt
import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from mesassist.tenants.models import ApiKey, Membership, Role
from mesassist.tenants.place import PlatformRole
from mesassist.tenants.scope import platform_scope
from mesassist.tenants.wire import Pages
from production.models import Machine

MACHINES = "/api/v1/machines/"
NOTHING = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": "There is nothing at this address.",
    "code": "not_found",
}


@pytest.fixture
def ask(caller):
    """A request with a key; a body is sent as it is when it is bytes."""

    def send(key, method="get", path=MACHINES, body=None, **headers):
        content = body if isinstance(body, bytes | str) else json.dumps(body) if body is not None else ""
        headers = {"Authorization": f"Api-Key {key}"} | headers if key else headers
        return caller().generic(method.upper(), path, content, content_type="application/json", headers=headers)

    return send


def problem_of(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


class TestKeys:
    def test_a_key_opens_its_own_tenant(self, ask, api_key, alfa, small_plant):
        answer = ask(api_key(alfa, "read"))
        assert [machine["code"] for machine in answer.json()["results"]] == ["M1", "M2"]

    def test_another_tenants_key_sees_none_of_it(self, ask, api_key, beta, small_plant):
        assert ask(api_key(beta, "read")).json() == {"results": [], "next": None}

    def test_naming_another_tenant_finds_nothing(self, ask, api_key, alfa, beta):
        key = api_key(beta, "read")
        theirs, nobodys = (ask(key, **{"X-Tenant": slug}) for slug in ("alfa", "nowhere"))
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json() == nobodys.json() == NOTHING

    def test_without_a_key_it_says_how_to_get_in(self, ask, alfa):
        answer = ask(None)
        assert problem_of(answer) == (401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"] == "Api-Key"

    @pytest.mark.parametrize("text", ["", "wrong", "a b", "łódź", "0" * 64], ids=["none", "wrong", "two", "odd", "hex"])
    def test_a_wrong_key_is_refused(self, caller, alfa, text):
        answer = caller().get(MACHINES, headers={"Authorization": f"Api-Key {text}".encode().decode("latin-1")})
        assert problem_of(answer) == (401, "authentication_failed")

    def test_a_key_in_the_address_is_no_key(self, ask, api_key, alfa):
        assert problem_of(ask(None, path=f"{MACHINES}?key={api_key(alfa, 'read')}")) == (401, "authentication_failed")

    def test_an_expired_key_is_refused_and_kept_for_the_record(self, ask, api_key, alfa, overview):
        key = api_key(alfa, "read")
        ApiKey.objects.update(expiry=timezone.now() - dt.timedelta(seconds=1))
        assert problem_of(ask(key)) == (401, "authentication_failed")
        assert ApiKey.objects.count() == 1

    def test_a_key_of_someone_who_left_is_refused(self, ask, api_key, alfa, boris):
        key = api_key(alfa, "read", user=boris)
        assert ask(key).status_code == 200
        boris.is_active = False
        boris.save()
        assert problem_of(ask(key)) == (401, "authentication_failed")

    @pytest.mark.parametrize("scope", ["ingest", "analyse", "configure"])
    def test_another_scope_is_not_enough(self, ask, api_key, alfa, scope):
        assert problem_of(ask(api_key(alfa, scope))) == (403, "scope_missing")

    def test_the_database_holds_no_key(self, api_key, alfa, overview):
        key = api_key(alfa, "read")
        assert key not in str(list(ApiKey.objects.values()))

    def test_it_takes_two_queries_to_let_a_key_in(self, api_key, alfa, ask, django_assert_num_queries):
        key = api_key(alfa, "read")
        # That it is used is noted once a minute.
        ask(key)
        with django_assert_num_queries(2):
            ask(key)


class TestPeople:
    def test_a_members_session_opens_the_only_tenant(self, client_of, vic, small_plant):
        answer = client_of(vic).get(MACHINES)
        assert [machine["code"] for machine in answer.json()["results"]] == ["M1", "M2"]

    def test_a_member_of_two_must_name_one(self, client_of, vic, beta, small_plant):
        with platform_scope("test", role=PlatformRole.STAFF):
            Membership.objects.create(user=vic, tenant=beta, role=Role.VIEWER)
        client = client_of(vic)
        assert problem_of(client.get(MACHINES)) == (400, "tenant_required")
        assert client.get(MACHINES, headers={"X-Tenant": "beta"}).json()["results"] == []
        assert len(client.get(MACHINES, headers={"X-Tenant": "alfa"}).json()["results"]) == 2

    def test_a_strangers_tenant_is_not_there(self, client_of, carla, alfa):
        client = client_of(carla)
        theirs, nobodys = (client.get(MACHINES, headers={"X-Tenant": slug}) for slug in ("alfa", "nowhere"))
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.json() == nobodys.json() == NOTHING

    def test_platform_staff_are_members_of_nothing(self, client_of, staff, alfa):
        client = client_of(staff)
        assert problem_of(client.get(MACHINES)) == (400, "tenant_required")
        assert problem_of(client.get(MACHINES, headers={"X-Tenant": "alfa"})) == (404, "not_found")

    def test_a_lower_role_is_told_what_is_needed(self, client_of, ana, small_plant):
        answer = client_of(ana).delete(f"{MACHINES}1/")
        assert problem_of(answer) == (403, "role_too_low")
        assert "manager" in answer.json()["detail"]

    def test_a_change_without_the_csrf_token_is_refused(self, caller, boris, small_plant):
        client = caller(enforce_csrf_checks=True)
        client.force_login(boris)
        site = {"code": "S2", "name": "Second", "zone": "UTC"}
        assert problem_of(client.post("/api/v1/sites/", site, content_type="application/json")) == (403, "csrf")
        client.cookies["csrftoken"] = token = "a" * 32
        done = client.post("/api/v1/sites/", site, content_type="application/json", headers={"X-CSRFToken": token})
        assert done.status_code == 201


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"code": NaN}',
            b'{"code": Infinity}',
            b'{"code": 1e999}',
            b'{"code": "a", "code": "b"}',
            b'{"code": "a\\u0000b"}',
            b'{"code": "\\ud800"}',
            b'{"\\udfff": 1}',
            b"[" * 21 + b"]" * 21,
            b"[" * 100_000,
            b"9" * 5000,
            b"\xff\xfe",
            b"{",
            b"\xef\xbb\xbf{}",
        ],
        ids=["nan", "inf", "1e999", "twice", "nul", "half", "half-key", "deep", "abyss", "long", "utf8", "cut", "bom"],
    )
    def test_doubtful_json_is_refused(self, ask, api_key, alfa, body):
        assert problem_of(ask(api_key(alfa, "configure"), "post", body=body)) == (400, "parse_error")

    def test_a_body_over_the_limit_is_refused(self, ask, api_key, alfa):
        body = b'{"code": "' + b"x" * 1_048_576 + b'"}'
        assert problem_of(ask(api_key(alfa, "configure"), "post", body=body)) == (413, "too_large")

    def test_another_content_type_is_refused(self, caller, api_key, alfa):
        headers = {"Authorization": f"Api-Key {api_key(alfa, 'configure')}"}
        answer = caller().post(MACHINES, {"code": "M9"}, headers=headers)
        assert problem_of(answer) == (415, "unsupported_media_type")

    def test_unknown_and_read_only_fields_are_refused(self, ask, api_key, alfa, small_plant):
        body = {"code": "M9", "name": "Nine", "line": 1, "tenant": 1, "id": 3}
        answer = ask(api_key(alfa, "configure"), "post", body=body)
        assert answer.json() == {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "2 things are not right; see errors.",
            "code": "unknown_field",
            "errors": [
                {"field": "tenant", "code": "unknown_field", "detail": "There is no such field here."},
                {"field": "id", "code": "read_only", "detail": "Only the portal sets this field; leave it out."},
            ],
        }

    def test_a_body_that_is_no_object_is_refused(self, ask, api_key, alfa):
        assert problem_of(ask(api_key(alfa, "configure"), "post", body=[1])) == (400, "invalid")


class TestAddresses:
    def test_an_unknown_address_is_a_problem_too(self, ask, db):
        for path in ("/api/v1/", "/api/v1/nowhere/", "/api/v1/machines", "/api/v1/machines/abc/"):
            answer = ask(None, path=path)
            assert (answer.status_code, answer.json()) == (404, NOTHING)

    @pytest.mark.parametrize("method", ["put", "options", "trace"])
    def test_a_method_that_is_not_there_is_refused(self, ask, api_key, alfa, method):
        assert problem_of(ask(api_key(alfa, "read", "configure"), method)) == (405, "method_not_allowed")

    def test_an_unknown_parameter_is_refused(self, ask, api_key, alfa):
        for name in ("ordering", "machin", "tenant", "page"):
            answer = ask(api_key(alfa, "read"), path=f"{MACHINES}?{name}=1")
            assert problem_of(answer) == (400, "unknown_parameter")

    def test_answers_stay_out_of_shared_caches(self, ask, api_key, alfa):
        assert ask(api_key(alfa, "read")).headers["Cache-Control"] == "no-store"

    def test_a_mistake_of_ours_is_told_without_its_contents(self, caller, api_key, alfa, monkeypatch):
        # Nothing of ours fails on demand, so one constant is broken for the length of this test.
        monkeypatch.setattr(Pages, "max_page_size", None)
        headers = {"Authorization": f"Api-Key {api_key(alfa, 'read')}"}
        answer = caller(raise_request_exception=False).get(f"{MACHINES}?page_size=5", headers=headers)
        assert problem_of(answer) == (500, "internal")
        assert "TypeError" not in answer.content.decode()


class TestPages:
    @pytest.fixture
    def many(self, small_plant):
        line = Machine.objects.first().line
        Machine.objects.bulk_create(
            Machine(tenant=line.tenant, code=f"X{n:03}", name="x", line=line) for n in range(120)
        )

    def test_the_cursor_leads_through_all_of_them_once(self, ask, api_key, alfa, many):
        key, seen, cursor = api_key(alfa, "read"), [], ""
        for size in (50, 50, 22):
            page = ask(key, path=f"{MACHINES}?page_size=50{cursor}").json()
            assert len(page["results"]) == size
            seen += [row["code"] for row in page["results"]]
            cursor = f"&cursor={page['next']}"
        assert page["next"] is None
        assert len(seen) == len(set(seen)) == 122

    @pytest.mark.parametrize("size", ["0", "501", "-1", "1000000000000", "a", "", "1.5", "²"])
    def test_a_page_size_out_of_bounds_is_refused(self, ask, api_key, alfa, size):
        assert problem_of(ask(api_key(alfa, "read"), path=f"{MACHINES}?page_size={size}")) == (400, "page_size")

    @pytest.mark.parametrize("cursor", ["x", "cD1hYmM=", "cD0lMDA=", "%C5%82", "bz1hYmM="])
    def test_a_cursor_that_is_not_ours_is_refused(self, ask, api_key, alfa, cursor):
        assert problem_of(ask(api_key(alfa, "read"), path=f"{MACHINES}?cursor={cursor}")) == (400, "cursor")

    def test_a_page_costs_the_same_however_long_it_is(self, ask, api_key, alfa, many, django_assert_num_queries):
        key = api_key(alfa, "read")
        ask(key)  # its first use in a minute is noted, which is a query more
        for size in (1, 100):
            with django_assert_num_queries(2):
                ask(key, path=f"{MACHINES}?page_size={size}")


class TestSchema:
    def test_it_is_valid_and_nothing_in_it_was_guessed(self, tmp_path):
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))

    def test_it_shows_every_door_and_how_each_refuses(self, caller, db):
        schema = caller().get("/api/v1/schema/?format=json").json()
        operations = [one for path in schema["paths"].values() for name, one in path.items() if name != "parameters"]
        assert len(operations) > 40
        assert len({one["operationId"] for one in operations}) == len(operations)
        for operation in operations:
            problem = operation["responses"]["404"]["content"]["application/problem+json"]["schema"]
            assert problem == {"$ref": "#/components/schemas/Problem"}
            assert "Needs a key with the scope" in operation["description"]

    def test_its_page_needs_no_inline_code_and_nothing_from_outside(self, caller, db):
        text = caller().get("/api/v1/docs/").content.decode()
        assert "<style" not in text
        assert " style=" not in text
        assert all("src=" in tag.split(">")[0] for tag in text.split("<script")[1:])
        assert "://" not in text
