"""A small OpenID Connect issuer over HTTP: discovery, code for token with PKCE, signed tokens, keys, userinfo."""

import base64
import hashlib
import json
import secrets
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = "the-clients-secret"


class Issuer(ThreadingHTTPServer):
    """Says of whoever comes what `person` holds; `lie` changes the claims, `signed_by` and `algorithm` the seal."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Desk)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.person = {"sub": "u-1", "email": "nora@alfa.example", "email_verified": True, "name": "Nora Lind"}
        self.lie, self.signed_by, self.algorithm = {}, KEY, "RS256"
        self.calls_itself, self.userinfo, self.codes, self.asked = self.url, None, {}, []

    def configuration(self):
        return {
            "issuer": self.calls_itself,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    def token(self, nonce, client_id):
        now = int(time.time())
        claims = {"iss": self.url, "aud": client_id, "iat": now, "exp": now + 300, "nonce": nonce, **self.person}
        claims = {name: value for name, value in (claims | self.lie).items() if value is not None}
        key = SECRET if self.algorithm.startswith("HS") else None if self.algorithm == "none" else self.signed_by
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": "k1"})


class Desk(BaseHTTPRequestHandler):
    """One request to the issuer."""

    def log_message(self, *_args):
        pass

    def say(self, body, status=200):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        issuer, path = self.server, urlsplit(self.path)
        issuer.asked.append(path.path)
        if path.path == "/.well-known/openid-configuration":
            return self.say(issuer.configuration())
        if path.path == "/keys":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
            return self.say({"keys": [public | {"kid": "k1", "alg": "RS256", "use": "sig"}]})
        if path.path == "/userinfo":
            return self.say(issuer.userinfo or issuer.person)
        query = {name: values[0] for name, values in parse_qs(path.query).items()}
        code = secrets.token_urlsafe(8)
        issuer.codes[code] = query
        self.send_response(302)
        self.send_header("Location", f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}")
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def do_POST(self):
        issuer = self.server
        length = int(self.headers["Content-Length"])
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        query = issuer.codes.pop(form.get("code"), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        right = query and form.get("client_secret") == SECRET and proof.decode() == query["code_challenge"]
        if not right or form["redirect_uri"] != query["redirect_uri"]:
            return self.say({"error": "invalid_grant"}, 400)
        token = issuer.token(query.get("nonce"), query["client_id"])
        return self.say({"access_token": "the-access-token", "token_type": "Bearer", "id_token": token})


@contextmanager
def running_issuer():
    """The issuer, served until the block ends."""
    issuer = Issuer()
    thread = threading.Thread(target=issuer.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer
    finally:
        issuer.shutdown()
        thread.join()
        issuer.server_close()
