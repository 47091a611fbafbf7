"""Signs of life: what keeps a client's connection, and how a client finds its server dead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_stage import VERSIONS, Stage, connected, failure
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect, Disconnect, PingReq, PingResp
from mqttproto.codec.encoder import encode
from mqttproto.codec.publish import Publish, PubRec
from mqttproto.constants import ReasonCode
from mqttproto.errors import LocalProtocolError, Statement
from mqttproto.protocol import ClientConnection, ConnectionState, Journal, Session
from mqttproto.protocol.events import PingAnswered


def alive(
    version: int = 5, keep_alive: int = 10, announce: Properties = EMPTY, **options: Any
) -> Stage:
    """A connection that began at 0, with a keep alive."""
    return connected(version, Connect("c", keep_alive=keep_alive), announce=announce, **options)


def timeout(stage: Stage, now: float) -> None:
    """Let a deadline pass that is not the last one."""
    stage.now = now
    assert stage.client.handle_timeout(now) == []


def unanswered(version: int) -> Statement:
    """The rule that a PINGREQ is answered."""
    return Statement("5.0" if version == 5 else "3.1.1", "MQTT-3.12.4-1")


# When to ask.


@pytest.mark.spec("5.0", "MQTT-3.1.2-20", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-23", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_with_nothing_to_say_asks_in_time(version: int) -> None:
    stage = alive(version)
    for turn in range(1, 5):
        due = 10.0 * turn
        assert stage.client.next_deadline() == due
        timeout(stage, due - 0.1)
        assert stage.sent() == []
        timeout(stage, due)
        assert stage.sent() == [PingReq()]
        assert stage.receive(PingResp()) == [PingAnswered(0.0)]


@pytest.mark.spec("5.0", "MQTT-3.1.2-20", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-23", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_sent_puts_the_question_off(version: int) -> None:
    stage = alive(version)
    stage.now = 4.0
    stage.publish("a")
    # Nothing was received meanwhile, which is a reason of its own to ask.
    assert stage.client.next_deadline() == 10.0
    stage.receive(Publish("b"))
    assert stage.client.next_deadline() == 14.0


@pytest.mark.parametrize("version", VERSIONS)
def test_an_acknowledgement_puts_the_question_off_too(version: int) -> None:
    stage = alive(version, manual_acknowledgement=True)
    event = stage.message(Publish("a", b"", 1, packet_id=1))
    stage.now = 6.0
    stage.acknowledge(event)
    stage.now = 8.0
    stage.receive(Publish("b"))
    assert stage.client.next_deadline() == 16.0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_is_not_heard_is_asked_though_there_is_much_to_say(version: int) -> None:
    stage = alive(version)
    for now in range(1, 10):
        stage.now = float(now)
        stage.client.publish("a", now=stage.now)
        assert stage.client.next_deadline() == 10.0
    stage.sent()
    timeout(stage, 10.0)
    assert stage.sent() == [PingReq()]


@pytest.mark.parametrize("version", VERSIONS)
def test_to_hear_much_is_no_reason_to_say_nothing(version: int) -> None:
    stage = alive(version)
    for now in range(1, 10):
        stage.now = float(now)
        stage.receive(Publish("a"))
        assert stage.client.next_deadline() == 10.0
    timeout(stage, 10.0)
    assert stage.sent() == [PingReq()]


def test_a_part_of_a_packet_is_no_sign_of_life() -> None:
    stage = alive()
    stage.now = 5.0
    stage.client.publish("a", now=5.0)
    stage.receive(encode(Publish("a", bytes(10)))[:-1])
    assert stage.client.next_deadline() == 10.0


@pytest.mark.spec("5.0", "MQTT-3.1.2-20", role="client")
def test_what_is_held_back_has_not_been_sent() -> None:
    session = Session("c", journal=Journal())
    lasts = Properties(session_expiry_interval=100)
    stage = connected(5, Connect("c", False, 10, properties=lasts), session)
    stage.now = 5.0
    # Its PUBREC waits for a commit.
    stage.receive(Publish("a", b"", 2, packet_id=1))
    assert stage.sent() == []
    assert stage.client.next_deadline() == 10.0
    timeout(stage, 10.0)
    # The question does not wait.
    assert stage.sent() == [PingReq()]
    stage.store()
    assert stage.sent() == [PubRec(1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_keep_alive_no_question(version: int) -> None:
    stage = alive(version, 0)
    assert stage.client.next_deadline() is None
    timeout(stage, 1e9)
    assert stage.sent() == []
    assert stage.state() is ConnectionState.CONNECTED


@pytest.mark.spec("5.0", "MQTT-3.1.2-21", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.2-21", role="client")
@pytest.mark.parametrize(
    ("own", "servers", "due"),
    [(10, None, 10.0), (10, 3, 3.0), (10, 50, 50.0), (10, 0, None), (0, 7, 7.0), (0, 0, None)],
)
def test_the_last_word_is_the_servers(own: int, servers: int | None, due: float | None) -> None:
    stage = alive(5, own, Properties(server_keep_alive=servers))
    assert stage.client.next_deadline() == due
    assert stage.client.limits is not None
    assert stage.client.limits.keep_alive == int(due or 0)


@pytest.mark.spec("5.0", "MQTT-3.2.2-21", role="client")
def test_what_the_server_said_holds_for_its_connection_only() -> None:
    session = Session()
    connected(5, Connect("c", keep_alive=10), session, announce=Properties(server_keep_alive=3))
    assert connected(5, Connect("c", keep_alive=10), session).client.next_deadline() == 10.0


def test_no_question_is_asked_before_connack() -> None:
    stage = Stage(5)
    stage.connect(Connect("c", keep_alive=1))
    timeout(stage, 10.0)
    assert stage.sent() == []
    stage.receive(ConnAck())
    # CONNECT was the last thing that was sent.
    assert stage.client.next_deadline() == 1.0
    timeout(stage, 10.0)
    assert stage.sent() == [PingReq()]


@pytest.mark.parametrize("version", VERSIONS)
def test_too_early_nothing_is_done(version: int) -> None:
    stage = alive(version)
    for now in (0.0, 5.0, 9.999, 3.0):
        assert stage.client.handle_timeout(now) == []
    assert stage.sent() == []


# The answer.


@pytest.mark.spec("5.0", "MQTT-3.12.4-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.12.4-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_does_not_answer_is_dead(version: int) -> None:
    stage = alive(version, ping_timeout=4.0)
    timeout(stage, 10.0)
    assert stage.sent() == [PingReq()]
    assert stage.client.next_deadline() == 14.0
    timeout(stage, 13.9)
    failed = failure(stage.client.handle_timeout(14.0))
    assert failed.statement == unanswered(version)
    assert failed.reason_code is ReasonCode.KEEP_ALIVE_TIMEOUT
    # Where in the stream: behind all that has come.
    assert failed.offset == len(encode(ConnAck(), version))
    assert stage.client.next_deadline() is None
    assert stage.client.handle_timeout(20.0) == []
    packets = stage.sent()
    if version == 5:
        (disconnect,) = packets
        assert isinstance(disconnect, Disconnect)
        # 0x8D is the server's.
        assert disconnect.reason_code is ReasonCode.UNSPECIFIED_ERROR
    else:
        assert packets == []
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_only_pingresp_is_an_answer(version: int) -> None:
    stage = alive(version, ping_timeout=4.0)
    timeout(stage, 10.0)
    stage.now = 13.0
    stage.receive(Publish("a"))
    assert failure(stage.client.handle_timeout(14.0)).statement == unanswered(version)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_in_time_lets_the_connection_live(version: int) -> None:
    stage = alive(version, ping_timeout=4.0)
    timeout(stage, 10.0)
    stage.now = 13.5
    assert stage.receive(PingResp()) == [PingAnswered(3.5)]
    assert stage.client.next_deadline() == 20.0


@pytest.mark.spec("5.0", "MQTT-3.1.2-20", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-23", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_questions_go_on_while_one_is_not_answered(version: int) -> None:
    stage = alive(version, ping_timeout=25.0)
    for due in (10.0, 20.0, 30.0):
        assert stage.client.next_deadline() == due
        timeout(stage, due)
        assert stage.sent() == [PingReq()]
    # It is the first one that counts.
    assert stage.client.next_deadline() == 35.0
    stage.now = 34.0
    assert stage.receive(PingResp()) == [PingAnswered(24.0)]
    # Those to the others are no news.
    assert stage.receive(PingResp(), PingResp()) == []
    assert stage.client.next_deadline() == 40.0


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_without_a_question_is_ignored(version: int) -> None:
    stage = alive(version)
    stage.now = 3.0
    assert stage.receive(PingResp()) == []
    assert stage.sent() == []
    assert stage.state() is ConnectionState.CONNECTED


def test_by_default_the_answer_has_half_a_minute() -> None:
    stage = alive(5, 0)
    stage.client.ping(now=1.0)
    assert stage.client.next_deadline() == 31.0


def test_a_call_that_comes_very_late_asks_once() -> None:
    stage = alive(5, 10, ping_timeout=4.0)
    timeout(stage, 1_000.0)
    assert stage.sent() == [PingReq()]
    assert stage.client.next_deadline() == 1_004.0


# By hand.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("keep_alive", [0, 10])
def test_a_ping_by_hand_is_answered_and_has_its_deadline(version: int, keep_alive: int) -> None:
    stage = alive(version, keep_alive, ping_timeout=4.0)
    stage.client.ping(now=2.0)
    assert stage.sent() == [PingReq()]
    assert stage.client.next_deadline() == 6.0
    stage.now = 2.25
    assert stage.receive(PingResp()) == [PingAnswered(0.25)]
    stage.client.ping(now=3.0)
    assert failure(stage.client.handle_timeout(7.0)).statement == unanswered(version)


def test_a_clock_may_begin_with_a_ping() -> None:
    stage = alive(5, 0, ping_timeout=4.0)
    stage.client.ping(now=0.0)
    assert failure(stage.client.handle_timeout(4.0)).statement == unanswered(5)


def test_pings_by_hand_share_their_answer() -> None:
    stage = alive(5, 0)
    stage.client.ping(now=1.0)
    stage.client.ping(now=2.0)
    assert stage.sent() == [PingReq(), PingReq()]
    stage.now = 4.0
    assert stage.receive(PingResp()) == [PingAnswered(3.0)]
    assert stage.client.next_deadline() is None


@pytest.mark.parametrize("version", VERSIONS)
def test_there_is_no_ping_without_a_connection(version: int) -> None:
    over = alive(version)
    over.cut()
    for stage in (Stage(version), over):
        with pytest.raises(LocalProtocolError):
            stage.client.ping(now=0.0)
        assert stage.sent() == []
        assert stage.client.next_deadline() is None


def test_a_ping_overtakes_what_waits_to_be_stored() -> None:
    session = Session("c", journal=Journal())
    lasts = Properties(session_expiry_interval=100)
    stage = connected(5, Connect("c", False, 0, properties=lasts), session)
    stage.publish("a", 2)
    stage.client.ping(now=0.0)
    assert stage.sent() == [PingReq()]
    stage.store()
    assert stage.sent() == [Publish("a", b"", 2, packet_id=1)]


# A client that reads nothing for a while.


def test_an_answer_that_this_end_does_not_read_is_not_missing() -> None:
    session = Session("c", journal=Journal())
    lasts = Properties(session_expiry_interval=100)
    connect = Connect("c", False, 10, properties=lasts)
    stage = connected(5, connect, session, max_held=1, ping_timeout=4.0)
    stage.receive(Publish("a", b"", 2, packet_id=1))
    assert stage.client.wants_read is False
    asked = 0
    for _ in range(20):
        due = stage.client.next_deadline()
        assert due is not None
        assert due > stage.now
        timeout(stage, due)
        asked += len(stage.sent())
    # It goes on to show that it lives, and judges when it reads again.
    assert asked > 1
    stage.store()
    reading: bool = stage.client.wants_read
    assert reading
    assert stage.sent() == [PubRec(1)]
    (answered,) = stage.receive(PingResp())
    assert answered == PingAnswered(stage.now - 10.0)
    timeout(stage, stage.now + 10.0)
    failure(stage.client.handle_timeout(stage.now + 4.0))


# For any course of events.


@pytest.mark.spec("5.0", "MQTT-3.1.2-20", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.1.2-23", role="client")
@pytest.mark.parametrize("version", VERSIONS)
@given(
    keep_alive=st.integers(1, 20),
    steps=st.lists(
        # Eighths of a second: they can be added up exactly.
        st.tuples(st.sampled_from(["publish", "ping", "hear", "answer"]), st.integers(0, 240)),
        max_size=30,
    ),
)
def test_a_client_is_never_silent_for_longer_than_it_promised(
    version: int, keep_alive: int, steps: list[tuple[str, int]]
) -> None:
    stage = alive(version, keep_alive, ping_timeout=1e6)
    spoken = 0.0
    for step, wait in steps:
        until = stage.now + wait / 8
        due = stage.client.next_deadline()
        while due is not None and due <= until:
            assert due >= stage.now
            assert due - spoken <= keep_alive
            timeout(stage, due)
            if stage.sent():
                spoken = due
            following = stage.client.next_deadline()
            assert following is None or following > due
            due = following
        stage.now = until
        if step == "publish":
            stage.client.publish("a", now=until)
        elif step == "ping":
            stage.client.ping(now=until)
        else:
            stage.receive(Publish("a") if step == "hear" else PingResp())
        if stage.sent():
            spoken = until
    assert stage.state() is ConnectionState.CONNECTED


@pytest.mark.parametrize("seconds", [0, -1, 0.0, -0.5])
def test_a_deadline_is_later_than_its_beginning(seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        ClientConnection(ping_timeout=seconds)
    with pytest.raises(ValueError, match="more than 0"):
        ClientConnection(connect_timeout=seconds)
