"""TLS to a plant's own endpoint: the approval's authority vouches for it, and for nothing else."""

import ssl

import pytest

from mesassist.tenants.egress.calls import CallBlocked, CallFailed, call_out
from mesassist.tenants.models import Purpose
from mesassist.tests.authorities import make_certificate
from mesassist.tests.ssrf import Listener

CERTIFICATE, KEY = make_certificate()


@pytest.fixture(scope="module")
def plant_server(tmp_path_factory):
    """An HTTPS server of the plant, with a certificate of its own."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_text(CERTIFICATE + KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    listener = Listener()
    listener.server.socket = context.wrap_socket(listener.server.socket, server_side=True)
    yield f"127.0.0.1:{listener.port}"
    listener.close()


def ask(scheme, server):
    return call_out("GET", f"{scheme}://{server}/", purpose=Purpose.WEBHOOK).status


class TestAuthority:
    def test_the_one_of_the_approval_vouches_for_the_endpoint(self, in_alfa, approve, plant_server):
        approve(plant_server, network="127.0.0.1/32", purpose=Purpose.WEBHOOK, ca_pem=CERTIFICATE)
        assert ask("https", plant_server) == 200

    def test_another_does_not(self, in_alfa, approve, plant_server):
        approve(plant_server, network="127.0.0.1/32", purpose=Purpose.WEBHOOK, ca_pem=make_certificate()[0])
        with pytest.raises(CallFailed, match="does not answer"):
            ask("https", plant_server)

    def test_nor_do_the_usual_ones(self, in_alfa, approve, plant_server):
        approve(plant_server, network="127.0.0.1/32", purpose=Purpose.WEBHOOK)
        with pytest.raises(CallFailed, match="does not answer"):
            ask("https", plant_server)

    def test_an_approval_with_one_opens_nothing_in_the_clear(self, in_alfa, approve, plant_server):
        approve(plant_server, network="127.0.0.1/32", purpose=Purpose.WEBHOOK, ca_pem=CERTIFICATE)
        with pytest.raises(CallBlocked):
            ask("http", plant_server)
