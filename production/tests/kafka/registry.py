"""Registry: a stand-in for the Confluent Schema Registry, over real HTTP, with the answers its clients rely on.

Avro only, in memory. `fault` makes it "slow" (later than any client waits), answer 500 ("broken") or a proxy's page
("html"); `go_down` refuses connections.
"""

import base64
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

from mesassist.servers.ports import HOST, choose_port
from mesassist.tenants.tests.approving import approve_in_environment, withdraw
from production.tests.kafka.compatibility import find_breaks

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
LEVELS = ("NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE")


class Refusal(Exception):
    """An error answer: HTTP status, the registry's own code and its sentence."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


class Shelf:
    """What the registry knows: schemas by id, versions by subject, compatibility levels. No HTTP in here."""

    def __init__(self):
        self.schemas, self.subjects, self.levels, self.level = {}, {}, {}, "BACKWARD"

    def register(self, subject, text):
        """The id of the schema under that subject; the same text has one id everywhere."""
        schema = parse(text)
        versions = self.subjects.get(subject, [])
        known = next((number for number, (_, parsed) in self.schemas.items() if parsed == schema), None)
        if known in versions:
            return known
        if breaks := self.breaks(subject, schema):
            raise Refusal(409, 409, f"Schema being registered is incompatible with an earlier schema; {breaks}")
        number = known or len(self.schemas) + 1
        self.schemas[number] = (text, schema)
        self.subjects.setdefault(subject, []).append(number)
        return number

    def breaks(self, subject, schema, version=None):
        """Why the schema may not follow those of the subject (or may not read one version)."""
        numbers = self.subjects.get(subject, [])
        level = self.levels.get(subject, self.level)
        if version is not None:
            numbers = [self.version(subject, version)[1]]
        elif not level.endswith("TRANSITIVE"):
            numbers = numbers[-1:]
        found = []
        for _, earlier in map(self.schemas.__getitem__, numbers):
            found += find_breaks(schema, earlier) if level.startswith(("BACKWARD", "FULL")) else []
            found += find_breaks(earlier, schema) if level.startswith(("FORWARD", "FULL")) else []
        return found

    def by_id(self, number):
        if number not in self.schemas:
            raise Refusal(404, 40403, f"Schema {number} not found")
        return self.schemas[number][0]

    def versions(self, subject):
        if subject not in self.subjects:
            raise Refusal(404, 40401, f"Subject '{subject}' not found.")
        return self.subjects[subject]

    def version(self, subject, wanted):
        """(version, id) of a version number or of "latest"."""
        numbers = self.versions(subject)
        version = len(numbers) if wanted in ("latest", "-1") else int(wanted) if wanted.isdigit() else 0
        if not 0 < version <= len(numbers):
            raise Refusal(404, 40402, f"Version {wanted} not found.")
        return version, numbers[version - 1]

    def describe(self, subject, version, number):
        return {"subject": subject, "id": number, "version": version, "schema": self.schemas[number][0]}

    def where_used(self, number):
        self.by_id(number)
        return [
            {"subject": subject, "version": numbers.index(number) + 1}
            for subject, numbers in self.subjects.items()
            if number in numbers
        ]

    def look_up(self, subject, text):
        schema = parse(text)
        for version, number in enumerate(self.versions(subject), 1):
            if self.schemas[number][1] == schema:
                return self.describe(subject, version, number)
        raise Refusal(404, 40403, "Schema not found")

    def set_level(self, subject, level):
        if level not in LEVELS:
            raise Refusal(422, 42203, "Invalid compatibility level")
        if subject is None:
            self.level = level
        else:
            self.levels[subject] = level
        return {"compatibility": level}


def parse(text):
    try:
        schema = json.loads(text)
    except (TypeError, ValueError) as error:
        raise Refusal(422, 42201, f"Invalid schema {text!r:.80}") from error
    return schema


# Method, path, and what answers with (shelf, body, the path's words); the first that fits.
ROUTES = [
    (method, re.compile(path.replace("{}", "([^/]+)") + "/?$"), answer)
    for method, path, answer in (
        ("GET", "", lambda shelf, body: {}),
        ("GET", "/mode", lambda shelf, body: {"mode": "READWRITE"}),
        ("GET", "/contexts", lambda shelf, body: ["."]),
        ("GET", "/schemas/types", lambda shelf, body: ["AVRO"]),
        ("GET", "/schemas/ids/(\\d+)", lambda shelf, body, n: {"schema": shelf.by_id(int(n))}),
        ("GET", "/schemas/ids/(\\d+)/schema", lambda shelf, body, n: json.loads(shelf.by_id(int(n)))),
        ("GET", "/schemas/ids/(\\d+)/versions", lambda shelf, body, n: shelf.where_used(int(n))),
        (
            "GET",
            "/schemas/ids/(\\d+)/subjects",
            lambda shelf, body, n: [use["subject"] for use in shelf.where_used(int(n))],
        ),
        ("GET", "/subjects", lambda shelf, body: sorted(shelf.subjects)),
        ("POST", "/subjects/{}", lambda shelf, body, s: shelf.look_up(s, body.get("schema"))),
        ("DELETE", "/subjects/{}", lambda shelf, body, s: list(range(1, len(shelf.subjects.pop(s, [])) + 1))),
        ("GET", "/subjects/{}/versions", lambda shelf, body, s: list(range(1, len(shelf.versions(s)) + 1))),
        ("POST", "/subjects/{}/versions", lambda shelf, body, s: {"id": shelf.register(s, body.get("schema"))}),
        ("GET", "/subjects/{}/versions/{}", lambda shelf, body, s, v: shelf.describe(s, *shelf.version(s, v))),
        (
            "GET",
            "/subjects/{}/versions/{}/schema",
            lambda shelf, body, s, v: json.loads(shelf.by_id(shelf.version(s, v)[1])),
        ),
        (
            "POST",
            "/compatibility/subjects/{}/versions",
            lambda shelf, body, s: verdict(shelf.breaks(s, parse(body.get("schema")))),
        ),
        (
            "POST",
            "/compatibility/subjects/{}/versions/{}",
            lambda shelf, body, s, v: verdict(shelf.breaks(s, parse(body.get("schema")), v)),
        ),
        ("GET", "/config", lambda shelf, body: {"compatibilityLevel": shelf.level}),
        ("PUT", "/config", lambda shelf, body: shelf.set_level(None, body.get("compatibility"))),
        ("GET", "/config/{}", lambda shelf, body, s: {"compatibilityLevel": shelf.levels.get(s, shelf.level)}),
        ("PUT", "/config/{}", lambda shelf, body, s: shelf.set_level(s, body.get("compatibility"))),
    )
]


def verdict(breaks):
    return {"is_compatible": not breaks, "messages": breaks}


class Registry:
    """The stand-in on a loopback port that it keeps through `go_down` and `come_back`."""

    def __init__(self, username="", password=""):
        self.shelf = Shelf()
        self.port = choose_port()
        self.url = f"http://{HOST}:{self.port}"
        self.fault = ""
        self.asked = []  # "GET /schemas/ids/1", in the order they came
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.authorization = f"Basic {token}" if username else None
        self.released = Event()
        self.approved = approve_in_environment(self.url)
        self.come_back()

    def come_back(self):
        self.released.clear()
        handler = type("Handler", (Answering,), {"registry": self})
        self.server = ThreadingHTTPServer((HOST, self.port), handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def go_down(self):
        self.released.set()  # slow answers need not be waited for
        self.server.shutdown()
        self.server.server_close()

    def close(self):
        self.go_down()
        withdraw(self.approved)

    def register(self, subject, schema):
        """The schema's id, as `POST /subjects/{subject}/versions` gives it."""
        return self.shelf.register(subject, json.dumps(schema))


class Answering(BaseHTTPRequestHandler):
    """One request: the fault if there is one, else what the shelf says."""

    registry: Registry
    protocol_version = "HTTP/1.1"
    SLOW_SECONDS = 60

    def answer(self):
        target = urlsplit(self.path)
        self.registry.asked.append(f"{self.command} {target.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.registry.fault == "slow":
            self.registry.released.wait(self.SLOW_SECONDS)
        if self.registry.fault == "html":
            return self.send(200, b"<html>Please sign in to the plant's network.</html>", "text/html")
        try:
            found = self.find(target, body)
        except Refusal as refusal:
            said = {"error_code": refusal.code, "message": str(refusal)}
            return self.send(refusal.status, json.dumps(said).encode())
        return self.send(200, json.dumps(found).encode())

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - what http.server calls

    def find(self, target, body):
        registry = self.registry
        if registry.fault == "broken":
            raise Refusal(500, 50001, "Error in the backend data store")
        if registry.authorization not in (None, self.headers.get("Authorization")):
            raise Refusal(401, 401, "Unauthorized")
        said = json.loads(body or b"{}")
        for method, path, answer in ROUTES:
            if method == self.command and (words := path.match(target.path)):
                return answer(registry.shelf, said, *map(unquote, words.groups()))
        raise Refusal(404, 404, "HTTP 404 Not Found")

    def send(self, status, body, kind=CONTENT_TYPE):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        """Silent; `Registry.asked` tells."""
