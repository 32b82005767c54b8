"""Targets: an address is read in one way or not at all."""

import pytest

from mesassist.tenants.egress.targets import NotATarget, Target, read_server, read_target


class TestUrl:
    @pytest.mark.parametrize(
        ("url", "host", "port", "secure"),
        [
            ("https://api.openai.com/v1", "api.openai.com", 443, True),
            ("HTTPS://API.OpenAI.com./v1", "api.openai.com", 443, True),
            ("http://llm:8000/v1", "llm", 8000, False),
            ("http://127.0.0.1", "127.0.0.1", 80, False),
            ("https://[2606:4700:0::1111]:8443/v1", "2606:4700::1111", 8443, True),
            ("https://xn--strae-oqa.example/v1?api-version=1", "xn--strae-oqa.example", 443, True),
            ("https://2130706433/v1", "2130706433", 443, True),
        ],
    )
    def test_it_names_one_host_and_port(self, url, host, port, secure):
        assert read_target(url) == Target(host, port, secure)

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("ftp://host/v1", "must begin with"),
            ("//host/v1", "must begin with"),
            ("https://", "must begin with"),
            ("https://me:secret@host/v1", "user name or password"),
            ("https://@host/v1", "user name or password"),
            ("https://host/v1#x", "hash"),
            ("https://host:0/v1", "port"),
            ("https://host:70000/v1", "not a web address"),
            ("https://host:x/v1", "not a web address"),
            ("https://[::1%25lo]/v1", "not a web address|IPv6|zone"),
            ("https://[fe80::1%eth0]/v1", "not a web address|IPv6|zone"),
            ("https://ho%73t/v1", "no host name"),
            ("https://a..b/v1", "no host name"),
            ("https://-/v1", "no host name"),
            ("https://straße.example/v1", "xn--"),
            ("https://①②⑦.⓪.⓪.①/v1", "xn--"),
            ("https://host\\@other/v1", "characters"),
            ("https://ho st/v1", "characters"),
            ("https://host\r\n/v1", "characters"),
            ("https://" + "a" * 2000, "characters"),
        ],
    )
    def test_what_is_doubtful_is_refused(self, url, why):
        with pytest.raises(NotATarget, match=why):
            read_target(url)

    def test_it_is_written_with_brackets_where_they_are_needed(self):
        assert str(read_target("https://[::1]/")) == "[::1]:443"
        assert str(read_target("https://host/")) == "host:443"


class TestServer:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [("kafka.plant:9092", "kafka.plant", 9092), (" 10.0.0.5:1 ", "10.0.0.5", 1), ("[::1]:9093", "::1", 9093)],
    )
    def test_it_is_host_and_port(self, text, host, port):
        assert read_server(text, secure=True) == Target(host, port, True)

    @pytest.mark.parametrize("text", ["kafka", ":9092", "kafka:0", "kafka:70000", "::1:9092", "a b:1", "[::1%1]:9"])
    def test_anything_else_is_refused(self, text):
        with pytest.raises(NotATarget):
            read_server(text, secure=True)
