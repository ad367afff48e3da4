"""Which URLs of strangers are called: public ones by https, and nothing that leads inside by a detour."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwatch.channels.addresses import Target, UnfitUrlError, is_public, read_url

INSIDE = [
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    *("100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1"),
    *("fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2620:4f:8000::1"),
]
OUTSIDE = ["1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"]
# Written in every way that some program takes for this machine, the cloud's metadata or a private network.
URLS = [
    *("http://app.example/", "ftp://app.example/", "file:///etc/passwd", "gopher://app.example/", "//app.example/"),
    *("app.example", "", "https:", "https://", "https:///path", "https://:443/", "javascript:alert(1)", "data:,x"),
    *("https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/"),
    *("https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://017700000001/", "https://127.0.0.1./", "https://0/"),
    *("https://00000177.0.0.1/", "https://127.0.0.0x1/", "https://169.254.169.254/latest/meta-data/"),
    *("https://2852039166/", "https://0xa9fea9fe/", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/"),
    *("https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:a9fe:a9fe]/", "https://[64:ff9b::a9fe:a9fe]/"),
    *("https://[2002:7f00:1::]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[ff02::1]/"),
    *("https://[fd00:ec2::254]/", "https://[::127.0.0.1]/", "https://10.0.0.1:5432/", "https://192.168.0.1/"),
    *("https://172.20.10.1/", "https://100.64.0.1/", "https://192.0.0.8/", "https://224.0.0.251/", "https://0.0.0.0/"),
    *("https://user@app.example/", "https://user:pass@app.example/", "https://app.example@127.0.0.1/"),
    *("https://127.0.0.1\\@app.example/", "https://app.example\\.evil/", "https://app.example:99999/"),
    *("https://app.example:0/", "https://app.example /", "https://app.example/\r\nHost: x", "https://app.example/\t"),
    *(
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
        "https://a..example/",
        "https://-a.example/",
        "https://exa%6dple/",
    ),
    *("https://app.example/\x00", "https://" + "a" * 64 + ".example/", "https://app.example/" + "a" * 3000),
    *("https://[::1", "https://[not]/", "https://*.example/", "https://1.2.3.4.5/", "https://256.1.1.1/"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_outside_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["", "localhost", "1.1.1", "1.1.1.1/32", "::g"])
def test_what_is_no_address_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_there_are_enough_url_forms() -> None:
    assert len(set(URLS)) >= 60


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_leads_inside_or_nowhere_is_refused_in_words(url: str) -> None:
    with pytest.raises(UnfitUrlError) as refused:
        read_url(url)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("url", "host", "port", "origin"),
    [
        ("https://app.example/hook?x=1", "app.example", 443, "https://app.example"),
        ("https://APP.example:8443/", "app.example", 8443, "https://app.example:8443"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "https://xn--bcher-kva.example"),
        ("https://1.1.1.1/", "1.1.1.1", 443, "https://1.1.1.1"),
        ("https://[2606:4700::1111]:9000/", "2606:4700::1111", 9000, "https://[2606:4700::1111]:9000"),
    ],
)
def test_a_public_url_is_taken_apart(url: str, host: str, port: int, origin: str) -> None:
    target = read_url(url)
    assert (target.host, target.port, target.origin) == (host, port, origin)


def test_only_with_leave_this_machine_is_called_and_then_by_http_too() -> None:
    assert read_url("http://127.0.0.1:8080/", allow_loopback=True).port == 8080
    assert read_url("http://localhost:8080/", allow_loopback=True).host == "localhost"
    for url in ("http://10.0.0.1/", "https://169.254.169.254/", "http://[::ffff:10.0.0.1]/", "http://2130706433/"):
        with pytest.raises(UnfitUrlError):
            read_url(url, allow_loopback=True)


@given(st.text(max_size=60) | st.text("https:/@[]%.0123456789abcdefx#?\\", max_size=40).map("https://".__add__))
def test_whatever_is_given_it_is_taken_apart_or_refused(text: str) -> None:
    try:
        target = read_url(text)
    except UnfitUrlError:
        return
    assert isinstance(target, Target)


@given(st.ip_addresses(v=4).map(int))
def test_an_ipv4_address_is_public_only_when_python_agrees_that_it_is_not_private(number: int) -> None:
    ip = ipaddress.IPv4Address(number)
    if ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_link_local:
        assert not is_public(str(ip))
