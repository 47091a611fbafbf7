"""What two ends say to each other, as remarks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto import (
    ConnAck,
    Connect,
    Disconnect,
    PingReq,
    PingResp,
    ProtocolVersion,
    Publish,
    Will,
)
from mqttproto.cli.conversation import Conversation, Remark
from mqttproto.codec import encode
from mqttproto.constants import Sender
from mqttproto.testing import strategies as mqtt

CLIENT, SERVER = Sender

every_version = pytest.mark.parametrize("version", ProtocolVersion)


def after_connect(version: int = 5) -> Conversation:
    conversation = Conversation()
    conversation.feed(CLIENT, encode(Connect("c"), version))
    return conversation


def texts(remarks: list[Remark]) -> list[str]:
    return [remark.text for remark in remarks]


@every_version
def test_packets_of_both_ends_are_told(version: ProtocolVersion) -> None:
    conversation = Conversation()
    connect = encode(Connect("c"), version)
    assert conversation.feed(CLIENT, connect[:5]) == []
    [told] = conversation.feed(CLIENT, connect[5:] + encode(Publish("a"), version)[:3])
    assert (told.sender, told.is_packet) == (CLIENT, True)
    assert told.text.startswith(f"CONNECT     version={version.label} ")
    [answer] = conversation.feed(SERVER, encode(ConnAck(), version))
    assert (answer.sender, answer.is_packet) == (SERVER, True)
    assert answer.text.startswith("CONNACK     reason_code=")
    rest = encode(Publish("a"), version)[3:] + encode(PingReq(), version)
    assert texts(conversation.feed(CLIENT, rest)) == [
        'PUBLISH     topic="a" qos=0 payload="" (0 bytes)',
        "PINGREQ",
    ]
    assert conversation.end(CLIENT) == conversation.end(SERVER) == []


def test_packets_and_bytes_are_counted() -> None:
    conversation = after_connect()
    conversation.feed(SERVER, encode(ConnAck()) + encode(PingResp()) + b"\x30")
    assert (conversation.packets(CLIENT), conversation.size(CLIENT)) == (
        1,
        len(encode(Connect("c"))),
    )
    assert (conversation.packets(SERVER), conversation.size(SERVER)) == (2, 8)


def test_a_discreet_one_gives_the_length_of_data_only() -> None:
    conversation = Conversation(discreet=True)
    connect = Connect("c", user_name="me", password=b"secret", will=Will("w", b"words"))
    shown = texts(conversation.feed(CLIENT, encode(connect) + encode(Publish("a", b"payload"))))
    assert 'user_name="me" password=(6 bytes)' in shown[0]
    assert 'will=[topic="w" qos=0 payload=(5 bytes)]' in shown[0]
    assert shown[1].endswith(' topic="a" qos=0 payload=(7 bytes)')


def test_a_fault_is_told_once_and_ends_that_direction() -> None:
    conversation = after_connect()
    [fault] = conversation.feed(CLIENT, b"\xc1\0")
    assert (fault.sender, fault.is_packet) == (CLIENT, False)
    begin = len(encode(Connect("c")))
    assert fault.text.startswith(f"fault at byte {begin}, in the packet at byte {begin}: ")
    assert "MQTT 5.0 [MQTT-2.1.3-1]; reason code 0x81 MALFORMED_PACKET" in fault.text
    assert fault.text.endswith("; what follows is not decoded")
    assert conversation.feed(CLIENT, b"\xc1\0") == conversation.end(CLIENT) == []
    assert texts(conversation.feed(SERVER, encode(PingResp()))) == ["PINGRESP"]
    assert conversation.size(CLIENT) == begin + 4


def test_each_end_is_held_to_what_it_may_send() -> None:
    conversation = after_connect()
    assert "must not send this packet" in conversation.feed(CLIENT, encode(PingResp()))[0].text
    assert "must not send this packet" in conversation.feed(SERVER, encode(PingReq()))[0].text


def test_a_server_that_speaks_first_is_heard_once_the_version_is_known() -> None:
    conversation = Conversation()
    assert conversation.feed(SERVER, encode(Disconnect())) == []
    assert texts(conversation.feed(CLIENT, encode(Connect("c")))) == [
        'CONNECT     version=5.0 client_id="c" clean_start keep_alive=60',
        "DISCONNECT  reason_code=NORMAL_DISCONNECTION(0x00)",
    ]
    assert conversation.packets(SERVER) == 1


def test_a_server_is_heard_beside_a_client_that_breaks_off_behind_its_connect() -> None:
    conversation = Conversation()
    assert len(conversation.feed(CLIENT, encode(Connect("c")) + b"\xc1\0")) == 2
    assert len(conversation.feed(SERVER, encode(ConnAck()))) == 1


@pytest.mark.parametrize(
    "opening", [b"GET / HTTP/1.1\r\n\r\n", encode(PingReq()), b"\x10\x0c\0\4MQTT\6\2\0\0\0\0"]
)
def test_without_a_connect_there_is_no_telling_what_the_server_says(opening: bytes) -> None:
    conversation = Conversation()
    [fault] = conversation.feed(CLIENT, opening)
    assert fault.text.startswith("fault at byte ")
    assert texts(conversation.feed(SERVER, b" \2\0\1")) == [
        "not decoded: no CONNECT has told the version (20 02 00 01)"
    ]
    assert conversation.feed(SERVER, b" \2\0\1") == conversation.end(SERVER) == []
    assert (conversation.packets(SERVER), conversation.size(SERVER)) == (0, 8)


def test_a_server_that_says_much_before_connect_is_not_kept_for_ever() -> None:
    conversation = Conversation()
    assert conversation.feed(SERVER, bytes(1 << 16)) == []
    [told] = conversation.feed(SERVER, b"\0")
    assert told.text == "not decoded: no CONNECT has told the version (00 00 00 00 00 00 00 00)"
    assert len(conversation.feed(CLIENT, encode(Connect("c")))) == 1


def test_an_end_inside_of_a_packet_is_told() -> None:
    conversation = after_connect()
    conversation.feed(SERVER, encode(ConnAck()) + b"\x30\5\0")
    [told] = conversation.end(SERVER)
    assert told == Remark(SERVER, "it ends inside of the packet at byte 5, after 3 bytes", False)


def test_an_end_without_a_connect_is_told() -> None:
    conversation = Conversation()
    conversation.feed(SERVER, b"220 mail")
    assert texts(conversation.end(SERVER)) == ["8 bytes without a CONNECT"]
    assert conversation.end(CLIENT) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Sender)),
            st.binary(max_size=40) | mqtt.packets(5, CLIENT).map(lambda each: encode(each, 5)),
        )
    )
)
def test_it_never_raises_and_its_remarks_are_lines(said: list[tuple[Sender, bytes]]) -> None:
    conversation = Conversation()
    remarks = [each for sender, data in said for each in conversation.feed(sender, data)]
    remarks += conversation.end(CLIENT) + conversation.end(SERVER)
    assert all(remark.text.isprintable() for remark in remarks)
    for sender in Sender:
        assert conversation.size(sender) == sum(len(data) for by, data in said if by is sender)
        assert sum(not each.is_packet and each.sender is sender for each in remarks) <= 1
