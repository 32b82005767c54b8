"""Addresses: each range is what the registries of special addresses say, also in IPv6 clothes."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesassist.tenants.egress.addresses import NAT64, NEVER, PADDING, Verdict, judge_address, read_address

PUBLIC = ("93.184.215.14", "8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8")
APPROVED_ONLY = (
    *("10.0.0.5", "127.0.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.9", "192.0.0.1", "192.0.2.1"),
    *("198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1", "::1", "fd12:3456::1", "fc00::1", "2001:db8::1"),
    *("3fff::1", "2001:2::1", "100::1", "5f00::1", "3ffe::1", "2002:808:808::1", "64:ff9b:1::808:808"),
    *("64:ff9b::10.0.0.5", "::ffff:10.0.0.5", "::8.8.8.8", "::ffff:0:8.8.8.8", "2001:0:808:808::f7f7:f7f7", "4000::1"),
)
NEVER_CALLED = (
    *("0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "168.63.129.16", "192.0.0.192", "100.100.100.200"),
    *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "fe80::1", "fec0::1", "ff02::1"),
    *("fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"),
    *("64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "::169.254.169.254", "2001:0:a9fe:a9fe::1"),
    *("2001:0:5db8:d70e::5601:5601", "fe80::1%eth0", "::1%lo", "1.2.3", "localhost", "", "08.8.8.8"),
    "2606:4700::5efe:a9fe:a9fe",
)


class TestVerdict:
    @pytest.mark.parametrize("text", PUBLIC)
    def test_it_is_public(self, text):
        assert judge_address(text) == Verdict.PUBLIC

    @pytest.mark.parametrize("text", APPROVED_ONLY)
    def test_it_needs_an_approval(self, text):
        assert judge_address(text) == Verdict.APPROVED_ONLY

    @pytest.mark.parametrize("text", NEVER_CALLED)
    def test_it_is_never_called(self, text):
        assert judge_address(text) == Verdict.NEVER


class TestEveryAddress:
    @given(st.ip_addresses())
    def test_a_public_one_is_never_what_the_standard_library_calls_special(self, address):
        if judge_address(str(address)) == Verdict.PUBLIC:
            plain = read_address(str(address))
            special = (plain.is_private, plain.is_loopback, plain.is_link_local, plain.is_multicast)
            assert special == (False,) * 4
            assert not plain.is_reserved or plain in NAT64

    @given(st.ip_addresses(v=4))
    def test_a_mapped_one_is_what_it_maps(self, address):
        assert judge_address(f"::ffff:{address}") == judge_address(str(address))

    @given(st.sampled_from([net for net in NEVER if net.version == 4 and net != PADDING]), st.integers(0, 2**32 - 1))
    def test_no_clothes_make_a_metadata_service_presentable(self, network, number):
        inner = IPv4Address(int(network.network_address) | (number & int(network.hostmask)))
        low = int(inner)
        clothes = [
            *(int(IPv6Address(prefix)) | low for prefix in ("::ffff:0:0", "64:ff9b::", "64:ff9b:1::", "::ffff:0:0:0")),
            int(IPv6Address("2002::")) | low << 80,
            int(IPv6Address("2001::")) | low << 64,
            int(IPv6Address("2001::")) | (low ^ 0xFFFFFFFF),
            int(IPv6Address("2606:4700::5efe:0:0")) | low,
        ]
        verdicts = {str(IPv6Address(number)): judge_address(str(IPv6Address(number))) for number in clothes}
        assert {text for text, verdict in verdicts.items() if verdict != Verdict.NEVER} == set()


class TestReading:
    def test_a_mapped_one_is_read_as_the_ipv4_that_it_is(self):
        assert read_address("::ffff:10.0.0.5") == ip_address("10.0.0.5")

    def test_a_zone_is_refused(self):
        with pytest.raises(ValueError, match="zone"):
            read_address("fe80::1%eth0")
