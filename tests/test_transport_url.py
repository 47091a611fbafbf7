"""URLs of servers: what they say, and what is wrong with those that say nothing."""

import copy
import pickle
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mqttproto.errors import InvalidValueError
from mqttproto.transport.url import Address, parse_server_reference, parse_url

SCHEMES = ("mqtt", "mqtts", "ws", "wss", "mqtt+unix")


# --- what they say ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker.test", Address("mqtt", "broker.test", 1883)),
        ("mqtt://broker.test/", Address("mqtt", "broker.test", 1883)),
        ("mqtts://broker.test", Address("mqtts", "broker.test", 8883)),
        ("ws://broker.test", Address("ws", "broker.test", 80, "/mqtt")),
        ("wss://broker.test", Address("wss", "broker.test", 443, "/mqtt")),
        ("MQTT://Broker.test:1", Address("mqtt", "Broker.test", 1)),
        ("mqtt://broker.test:", Address("mqtt", "broker.test", 1883)),
        ("mqtt://192.0.2.7:65535", Address("mqtt", "192.0.2.7", 65535)),
        ("mqtt://my_host-1.test.", Address("mqtt", "my_host-1.test.", 1883)),
        ("mqtt://bücher.test", Address("mqtt", "bücher.test", 1883)),
        ("mqtt://[::1]", Address("mqtt", "::1", 1883)),
        ("mqtts://[2001:db8::7]:99", Address("mqtts", "2001:db8::7", 99)),
        ("mqtt://[fe80::1%25eth0]", Address("mqtt", "fe80::1%eth0", 1883)),
        ("mqtt://[fe80::1%eth0]", Address("mqtt", "fe80::1%eth0", 1883)),
        ("ws://a:8080/", Address("ws", "a", 8080, "/")),
        ("ws://a/b/c?d=e", Address("ws", "a", 80, "/b/c?d=e")),
        ("ws://a?d=e", Address("ws", "a", 80, "/mqtt?d=e")),
        ("ws://a/%20%zz", Address("ws", "a", 80, "/%20%zz")),
        ("ws://a/é", Address("ws", "a", 80, "/%C3%A9")),
        ("mqtt+unix:///run/mqtt.sock", Address("mqtt+unix", "", 0, "/run/mqtt.sock")),
        ("mqtt+unix:///a%20%3F%C3%A9", Address("mqtt+unix", "", 0, "/a ?é")),
        ("mqtt+unix://u:p@/s", Address("mqtt+unix", "", 0, "/s", "u", b"p")),
        ("mqtt://user@a", Address("mqtt", "a", 1883, "", "user")),
        ("mqtt://user:@a", Address("mqtt", "a", 1883, "", "user", b"")),
        ("mqtt://:secret@a", Address("mqtt", "a", 1883, "", None, b"secret")),
        ("mqtt://@a", Address("mqtt", "a", 1883)),
        ("mqtt://a@b:c:d@host", Address("mqtt", "host", 1883, "", "a@b", b"c:d")),
        ("mqtt://%C3%A9%40:%ff%3A@a", Address("mqtt", "a", 1883, "", "é@", b"\xff:")),
    ],
)
def test_a_url_is_read(url: str, address: Address) -> None:
    found = parse_url(url)
    assert found == address
    assert hash(found) == hash(address)


@pytest.mark.parametrize(
    ("scheme", "tls", "websocket", "unix"),
    [
        ("mqtt", False, False, False),
        ("mqtts", True, False, False),
        ("ws", False, True, False),
        ("wss", True, True, False),
        ("mqtt+unix", False, False, True),
    ],
)
def test_what_an_address_needs(scheme: str, tls: bool, websocket: bool, unix: bool) -> None:
    address = Address(scheme, "a", 1)
    assert (address.tls, address.websocket, address.unix) == (tls, websocket, unix)


# --- as text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mqtt://broker.test", "mqtt://broker.test:1883"),
        ("mqtts://user:secret@[fe80::1%25eth0]:9", "mqtts://[fe80::1%25eth0]:9"),
        ("wss://user:secret@a/b?token=secret", "wss://a:443/b?..."),
        ("mqtt+unix://user:secret@/a%20b", "mqtt+unix:///a%20b"),
    ],
)
def test_as_text_an_address_keeps_its_secrets(url: str, text: str) -> None:
    address = parse_url(url)
    assert str(address) == text
    assert repr(address) == f"<Address {text}>"


def test_addresses_can_be_copied_and_not_changed() -> None:
    address = parse_url("wss://user:secret@a/b?c")
    assert copy.copy(address) == copy.deepcopy(address) == address
    assert pickle.loads(pickle.dumps(address)) == address
    with pytest.raises(AttributeError):
        address.port = 1  # type: ignore[misc]


hosts = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z0-9_]{1,9}){0,3}", fullmatch=True),
    st.ip_addresses().map(str),
)
user_names = st.none() | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
)


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    scheme = draw(st.sampled_from(SCHEMES))
    user_name, password = draw(user_names), draw(st.none() | st.binary())
    path = ""
    if scheme == "mqtt+unix":
        path = "/" + draw(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
        )
        return Address(scheme, "", 0, path, user_name, password)
    if scheme in ("ws", "wss"):
        path = "/" + draw(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
        path = path.replace("#", "").replace("@", "")
    port = draw(st.integers(1, 65_535))
    return Address(scheme, draw(hosts), port, path, user_name, password)


@given(addresses())
def test_any_address_can_be_written_as_a_url(address: Address) -> None:
    credentials = quote(address.user_name or "", safe="")
    if address.password is not None:
        credentials += f":{quote(address.password, safe='')}"
    bare = str(address)
    if "?" in address.path and not address.unix:
        bare = bare.removesuffix("?...") + address.path[address.path.index("?") :]
    scheme, place = bare.split("://", 1)
    assert parse_url(f"{scheme}://{credentials}@{place}") == address


# --- what is wrong with others ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "must begin with a scheme"),
        ("broker.test", "must begin with a scheme"),
        ("broker.test:1883", "must begin with a scheme"),
        ("mqtt:broker.test", "must begin with a scheme"),
        ("://broker.test", "must begin with a scheme"),
        ("tcp://broker.test", "has the scheme tcp://, which is not known here: write mqtt://"),
        ("SSL://broker.test", "has the scheme ssl://, which is not known here: write mqtts://"),
        ("https://broker.test", "not known here: write wss://"),
        ("ftp://a", "write one of mqtt://, mqtts://, ws://, wss://, mqtt+unix://"),
        ("mqtt://a b", "spaces"),
        ("mqtt://a\n", "control characters"),
        ("mqtt://a\x7f", "control characters"),
        ("mqtt://\ud800", "surrogates"),
        ("mqtt://a#b", "fragment: write '#' as %23"),
        ("mqtt://", "must have a host"),
        ("mqtt://:1883", "must have a host"),
        ("mqtt://user@", "must have a host"),
        ("mqtt://a,b", "host name or an IP address"),
        ("mqtt://a%20b", "host name or an IP address"),
        ("mqtt://a\u202eb", "host name or an IP address"),
        ("mqtt://a..b", "host name or an IP address"),
        ("mqtt://" + "a" * 64, "host name or an IP address"),
        ("mqtt://" + "a." * 128, "host name or an IP address"),
        ("mqtt://a:0", "must have a port from 1 to 65,535"),
        ("mqtt://a:65536", "must have a port from 1 to 65,535"),
        ("mqtt://a:123456", "must have a port from 1 to 65,535"),
        ("mqtt://a:+1", "must have a port from 1 to 65,535"),
        ("mqtt://a:\u0661", "must have a port from 1 to 65,535"),
        ("mqtt://a:b", "must have a port from 1 to 65,535"),
        ("mqtt://::1", "several colons"),
        ("mqtt://2001:db8::7:1883", "several colons"),
        ("mqtt://[::1", "in brackets"),
        ("mqtt://[::1]1883", "in brackets"),
        ("mqtt://[]", "an IPv6 address between its brackets"),
        ("mqtt://[a]", "an IPv6 address between its brackets"),
        ("mqtt://[::1%25[]", "an IPv6 address between its brackets"),
        ("mqtt://[192.0.2.7]", "an IPv6 address between its brackets"),
        ("mqtt://a/b", "must not have a path: mqtt:// ends with the host"),
        ("mqtts://a?b", "must not have a path: mqtts:// ends with the host"),
        ("mqtt://user:pass/word@a", "has '@' behind its path"),
        ("mqtt://us%er@a", "two hexadecimal digits behind each '%' in its user name"),
        ("mqtt://u:50%@a", "two hexadecimal digits behind each '%' in its password"),
        ("mqtt://%ff@a", "must have UTF-8 in its user name"),
        ("mqtt://%00@a", "must not have the null character in its user name"),
        ("mqtt+unix://", "must have the path of a socket"),
        ("mqtt+unix://run/a.sock", "must have the path of a socket and no host"),
        ("mqtt+unix:///a?b", "must not have a query"),
        ("mqtt+unix:///%00a", "must not have the null character in its path"),
        ("mqtt+unix:///%ff", "must have UTF-8 in its path"),
    ],
)
def test_a_url_that_is_wrong_is_told_what_to_do(url: str, rule: str) -> None:
    with pytest.raises(InvalidValueError) as raised:
        parse_url(url)
    assert raised.value.field == "url"
    assert rule in raised.value.rule


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://user:s3cret",
        "mqtt://user:s3cret:a",
        "mqtt://user:s3cret/x@a",
        "mqtt://user:s3cret?x@a",
        "mqtt://user:s3cret#x@a",
        "mqtt://user:s3cret%x@a",
        "mqtt://user:s3cret @a",
        "mqtt://user:s3cret@",
        "mqtt://user:s3cret@[a",
        "mqtt://user:s3cret@a:b",
        "user:s3cret@a",
    ],
)
def test_an_error_does_not_repeat_a_password(url: str) -> None:
    with pytest.raises(InvalidValueError) as raised:
        parse_url(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", [None, b"mqtt://a", 7])
def test_a_url_is_a_str(url: object) -> None:
    with pytest.raises(TypeError, match="url must be a str, not"):
        parse_url(url)  # type: ignore[arg-type]


@given(
    st.text()
    | st.builds(
        lambda scheme, rest: f"{scheme}://{rest}",
        st.sampled_from(SCHEMES),
        st.text() | st.text("a:@/?[]%20"),
    )
)
@example("mqtt://[::1%25\ud800]")
def test_whatever_is_no_url_is_told_so(text: str) -> None:
    try:
        address = parse_url(text)
    except InvalidValueError:
        return
    assert address.scheme in SCHEMES
    assert str(address).isprintable()
    assert address.unix or (address.host and 1 <= address.port <= 65_535)


# --- where else to go ------------------------------------------------------------------------

PLAIN = parse_url("mqtt://user:secret@a.test")
SECURE = parse_url("wss://user:secret@a.test/there?x")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", []),
        ("b.test", ["mqtt://b.test:1883"]),
        ("b.test:99", ["mqtt://b.test:99"]),
        ("10.0.0.1:8883 [fe80::9610:3eff:fe1c]:7", None),
        ("b.test  c.test ", ["mqtt://b.test:1883", "mqtt://c.test:1883"]),
        ("b.test b.test:1883", ["mqtt://b.test:1883"]),
        ("b.test:0 c.test", ["mqtt://c.test:1883"]),
        ("mqtts://b.test ws://c.test/x", ["mqtts://b.test:8883", "ws://c.test:80/x"]),
        ("mqtt+unix:///run/b b.test/x ftp://c", []),
    ],
)
def test_a_server_reference_is_a_list(text: str, places: list[str] | None) -> None:
    if places is None:
        places = ["mqtt://10.0.0.1:8883", "mqtt://[fe80::9610:3eff:fe1c]:7"]
    assert [str(place) for place in parse_server_reference(text, PLAIN)] == places


def test_it_goes_there_by_the_same_way_as_the_same_user() -> None:
    [there] = parse_server_reference("b.test", SECURE)
    assert there == parse_url("wss://user:secret@b.test/there?x")
    [there] = parse_server_reference("wss://somebody:else@b.test:7/x", SECURE)
    assert there == parse_url("wss://user:secret@b.test:7/x")
    [there] = parse_server_reference("mqtts://b.test", SECURE)
    assert there == parse_url("mqtts://user:secret@b.test")


def test_a_server_cannot_lead_away_from_tls() -> None:
    assert parse_server_reference("mqtt://b.test ws://b.test mqtt+unix:///b", SECURE) == []


def test_behind_a_unix_socket_are_servers_on_the_network() -> None:
    like = parse_url("mqtt+unix:///run/a.sock")
    assert parse_server_reference("b.test", like) == [parse_url("mqtt://b.test")]


@given(st.text(), st.sampled_from([PLAIN, SECURE]))
def test_no_server_reference_raises(text: str, like: Address) -> None:
    for place in parse_server_reference(text, like):
        assert place.user_name == like.user_name
        assert place.tls >= like.tls
        assert not place.unix
