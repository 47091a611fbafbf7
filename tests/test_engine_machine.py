"""A client engine as a whole: how it connects, whom it believes, what it keeps, and how it ends."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_stage import VERSIONS, Script, Stage, pending, staged
from mqttproto.cli.hub.hub import Hub
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Auth, Connect, Disconnect, PingReq, Will
from mqttproto.codec.publish import Publish
from mqttproto.constants import ReasonCode
from mqttproto.engine.events import Offline, Online, Reconnecting
from mqttproto.engine.publishing import PublishHandle
from mqttproto.engine.steps import Ask, Dial, Load, Pause
from mqttproto.errors import (
    ClientClosedError,
    ConnectRefusedError,
    InvalidValueError,
    LocalProtocolError,
    PacketError,
    QueueFullError,
    TransportError,
)
from mqttproto.protocol import Qos0, QueueLimits, ServerConnection, Session
from mqttproto.protocol.changes import Change
from mqttproto.protocol.events import (
    AuthenticationReceived,
    ConnectReceived,
    Event,
)
from mqttproto.protocol.export import apply
from mqttproto.protocol.journal import Batch


def refusing(code: ReasonCode, properties: Properties = EMPTY) -> Script:
    """A server that lets nobody in."""

    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if isinstance(event, ConnectReceived):
            server.refuse(code, properties, now=now)
            return True
        return False

    return refuse


def error_of(stage: Stage) -> BaseException:
    """Why the client has ended."""
    assert stage.engine.closed
    error = stage.engine.error
    assert error is not None
    return error


# Connecting.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_is_online_when_it_is_accepted(version: int) -> None:
    stage = Stage(mqtt_version=version, client_id="c")
    engine = stage.engine
    assert not engine.online
    assert engine.limits is None
    with stage.start():
        assert stage.online
        assert engine.started.done
        engine.started.check()
        assert not engine.closed
        assert engine.version == version
        assert engine.client_id == engine.session.client_id == "c"
        event = stage.event(Online)
        assert (event.version, event.session_present) == (version, False)
        assert str(event.address) == "mqtt://one:1883"
        assert event.limits == engine.limits
        (connect,) = stage.packets(Connect)
        assert connect.clean_start


def test_the_server_may_choose_the_client_identifier_which_is_kept() -> None:
    with staged() as stage:
        chosen = stage.event(Online).client_id
        assert stage.engine.client_id == chosen != ""
        stage.cut()
        stage.pass_time(1)
        assert [each.client_id for each in stage.packets(Connect)] == ["", chosen]


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_an_identifier_is_drawn_which_is_kept(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        stage.cut()
        stage.pass_time(1)
        first, second = stage.packets(Connect)
        assert first.client_id == second.client_id == stage.engine.client_id
        assert first.client_id.startswith("mqttproto-")


def test_nothing_is_reached_before_it_is_online() -> None:
    stage = Stage()
    with pytest.raises(TransportError, match="no connection"):
        stage.engine.ping(stage.time)
    with pytest.raises(TransportError, match="no connection"):
        stage.engine.reauthenticate(stage.time)
    assert stage.engine.data_to_send() == b""
    assert stage.engine.next_deadline() is None
    assert stage.engine.wants_read
    assert stage.engine.close_expected()
    stage.engine.receive_data(b"x", stage.time)
    stage.engine.receive_eof(stage.time)
    stage.engine.connection_lost(stage.time)
    stage.engine.handle_timeout(stage.time)
    stage.engine.wake_writer()
    assert stage.events() == []
    assert not stage.engine.take_changes()
    stage.engine.committed(0, stage.time)


def test_a_lost_connection_is_made_anew() -> None:
    with staged() as stage:
        stage.events()
        stage.cut(OSError("reset"))
        offline, again = stage.events()
        assert isinstance(offline, Offline)
        assert "without a word: reset" in str(offline.error)
        assert again == Reconnecting(0.25, 1)
        stage.pass_time(1)
        assert stage.event(Online).session_present
        assert stage.dialed == [(1000.0, "one"), (1000.25, "one")]


def test_the_server_may_close_its_end() -> None:
    with staged() as stage:
        stage.engine.receive_eof(stage.time)
        assert not stage.online
        stage.cut()
        stage.pass_time(1)
        assert stage.online


def test_a_server_that_ends_the_connection_is_believed_and_asked_again() -> None:
    with staged() as stage:
        stage.events()
        said = Properties(reason_string="tea time")
        stage.connection.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, said, now=stage.time)
        stage.settle()
        offline, _ = stage.events()
        assert isinstance(offline, Offline)
        assert "SERVER_SHUTTING_DOWN (tea time)" in str(offline.error)
        stage.pass_time(1)
        assert stage.online


def test_a_client_that_is_taken_over_stops() -> None:
    with staged() as stage:
        stage.connection.disconnect(ReasonCode.SESSION_TAKEN_OVER, now=stage.time)
        stage.settle()
        assert "SESSION_TAKEN_OVER" in str(error_of(stage))
        stage.pass_time(100)
        assert len(stage.dialed) == 1


def test_a_server_that_breaks_the_rules_is_left_and_asked_again() -> None:
    with staged() as stage:
        stage.events()
        stage.engine.receive_data(b"\xff\xff", stage.time)
        stage.engine.wake_writer()
        stage.settle()
        (farewell,) = stage.packets(Disconnect)
        assert farewell.reason_code == ReasonCode.MALFORMED_PACKET
        offline, _ = stage.events()
        assert isinstance(offline, Offline)
        assert isinstance(offline.error, PacketError)
        stage.pass_time(1)
        assert stage.online


@pytest.mark.parametrize(
    "code", [ReasonCode.BANNED, ReasonCode.NOT_AUTHORIZED, ReasonCode.SERVER_BUSY]
)
def test_a_refusal_fails_the_first_connection(code: ReasonCode) -> None:
    stage = Stage()
    stage.script = refusing(code, Properties(reason_string="so"))
    with stage.start():
        with pytest.raises(ConnectRefusedError, match="so") as caught:
            stage.engine.started.check()
        assert caught.value.reason_code is code
        assert error_of(stage) is caught.value


def test_a_refusal_may_be_for_a_while() -> None:
    stage = Stage(retry_first=True)
    stage.script = refusing(ReasonCode.SERVER_BUSY)
    with stage.start():
        stage.pass_time(10)
        assert len(stage.dialed) > 3
        stage.script = None
        stage.pass_time(100)
        assert stage.online


# Versions.


def auto(kind: str) -> Stage:
    """A client that speaks 5.0 or 3.1.1, and a server that does not know 5.0, as it says so."""
    stage = Stage(mqtt_version="auto", properties=Properties(user_properties=[("a", "b")]))

    def reject(server: ServerConnection, event: Event, now: float) -> bool:
        if isinstance(event, ConnectReceived) and event.version == 5:
            if kind == "refuses":
                server.refuse(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, now=now)
            elif kind == "hangs up":
                server.connection_lost(now)
            elif kind == "answers in 3.1.1":
                stage.engine.receive_data(b"\x20\x02\x00\x01", now)
                stage.engine.wake_writer()
            return True
        return False

    stage.script = reject
    return stage.start()


@pytest.mark.parametrize("kind", ["refuses", "hangs up", "answers in 3.1.1", "is silent"])
def test_a_server_that_does_not_know_5_is_talked_to_in_311(kind: str) -> None:
    with auto(kind) as stage:
        stage.pass_time(31)
        assert stage.online
        assert stage.engine.version == 4
        assert len(stage.dialed) == 2
        # It stays so.
        stage.cut()
        stage.pass_time(1)
        assert stage.online
        assert stage.engine.version == 4


def test_a_server_that_knows_5_is_talked_to_in_5() -> None:
    with staged(mqtt_version="auto") as stage:
        assert stage.engine.version == 5
        stage.cut()
        stage.pass_time(1)
        assert stage.engine.version == 5


# Redirections.


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("follow", [False, True])
def test_a_reference_is_followed_where_that_is_allowed(follow: bool, moved: bool) -> None:
    code = ReasonCode.SERVER_MOVED if moved else ReasonCode.USE_ANOTHER_SERVER
    stage = Stage(follow_server_reference=follow, retry_first=True)
    refuse = refusing(code, Properties(server_reference="two three:1884"))

    def one_refuses(server: ServerConnection, event: Event, now: float) -> bool:
        return stage.dialed[-1][1] == "one" and refuse(server, event, now)

    stage.script = one_refuses
    stage.down = {"two"}
    with stage.start():
        stage.pass_time(0.1)
        hosts = [host for _, host in stage.dialed]
        assert hosts == (["one", "two", "three"] if follow else ["one"])
        assert stage.online == follow


def test_a_server_may_send_a_client_away_later() -> None:
    with staged(follow_server_reference=True) as stage:
        reference = Properties(server_reference="two")
        stage.connection.disconnect(ReasonCode.USE_ANOTHER_SERVER, reference, now=stage.time)
        stage.settle()
        assert stage.online
        assert [host for _, host in stage.dialed] == ["one", "two"]


@pytest.mark.parametrize("reference", ["", ":::", "mqtt+unix:///secret"])
def test_a_reference_that_is_no_address_is_not_followed(reference: str) -> None:
    with staged(follow_server_reference=True) as stage:
        said = Properties(server_reference=reference)
        stage.connection.disconnect(ReasonCode.USE_ANOTHER_SERVER, said, now=stage.time)
        stage.settle()
        assert not stage.online
        stage.pass_time(1)
        assert [host for _, host in stage.dialed] == ["one", "one"]


# Credentials.


def test_credentials_are_asked_for_each_connection() -> None:
    tokens = iter("abc")
    with staged(credentials=lambda: ("me", next(tokens))) as stage:
        stage.cut()
        stage.pass_time(1)
        found = [(each.user_name, each.password) for each in stage.packets(Connect)]
        assert found == [("me", b"a"), ("me", b"b")]


def test_credentials_may_be_awaited() -> None:
    async def credentials() -> tuple[str, bytes]:
        return "me", b"x"

    with staged(credentials=credentials) as stage:
        (connect,) = stage.packets(Connect)
        assert (connect.user_name, connect.password) == ("me", b"x")


def test_credentials_are_renewed_where_they_are_refused() -> None:
    tokens = iter("abc")
    stage = Stage(credentials=lambda: ("me", next(tokens)), retry_first=True)

    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if isinstance(event, ConnectReceived) and event.connect.password != b"c":
            server.refuse(ReasonCode.NOT_AUTHORIZED, now=now)
            return True
        return False

    stage.script = refuse
    with stage.start():
        stage.pass_time(10)
        assert stage.online
        assert len(stage.dialed) == 3


@pytest.mark.parametrize("retry", [False, True])
def test_credentials_that_cannot_be_had_are_a_failed_connection(retry: bool) -> None:
    answers: list[Callable[[], tuple[str, str]]] = [lambda: ("me", "x")]

    def credentials() -> tuple[str, str]:
        if len(asked) < 2:
            asked.append(1)
            raise OSError("no token")
        return answers[0]()

    asked: list[int] = []
    stage = Stage(credentials=credentials, retry_first=retry).start()
    with stage:
        stage.pass_time(10)
        assert stage.online == retry
        if not retry:
            assert "no token" in str(error_of(stage))


@pytest.mark.parametrize("wrong", [("me", 5), (5, "x"), (b"me", "x"), ("me\0", "x")])
def test_credentials_that_cannot_be_sent_end_the_client(wrong: Any) -> None:
    stage = Stage(credentials=lambda: wrong, retry_first=True)
    with stage.start():
        assert stage.server is None
        assert isinstance(error_of(stage), (TypeError, ValueError))
        assert stage.engine.started.done


def test_credentials_that_are_no_pair_are_a_failed_connection() -> None:
    nothing: Any = None
    with Stage(credentials=lambda: nothing).start() as stage:
        assert isinstance(error_of(stage), TypeError)
        assert stage.dialed == []


# Enhanced authentication.


class Password:
    """An authentication in so many steps."""

    method = "steps"

    def __init__(self, **wrong: object) -> None:
        self.wrong = wrong
        self.log: list[str] = []

    def begin(self) -> Any:
        return self._say("begin", b"")

    def respond(self, data: bytes | None) -> Any:
        return self._say("respond", data)

    def succeed(self, data: bytes | None) -> None:
        self._say("succeed", data)

    def _say(self, what: str, data: bytes | None) -> Any:
        self.log.append(f"{what} {(data or b'').decode()}")
        wrong = self.wrong.get(what)
        if isinstance(wrong, Exception):
            raise wrong
        return wrong or what.encode()


def asking(steps: int, success: bytes | None = b"fine") -> Script:
    """A server that asks so many questions."""
    left = [steps]

    def ask(server: ServerConnection, event: Event, now: float) -> bool:
        if isinstance(event, ConnectReceived):
            left[0] = steps
        elif not isinstance(event, AuthenticationReceived):
            return False
        elif event.reason_code == ReasonCode.RE_AUTHENTICATE:
            server.authenticate(b"again", now=now)
            left[0] = 0
            return True
        if left[0]:
            left[0] -= 1
            server.authenticate(b"question", now=now)
        elif server.limits is None:
            server.accept(properties=Properties(authentication_data=success), now=now)
        else:
            server.finish_reauthentication(success, now=now)
        return True

    return ask


def authenticated(authenticator: Any, steps: int, **options: Any) -> Stage:
    """A client that authenticates, and a server that wants it to."""
    stage = Stage(authenticator=authenticator, client_id="c", **options)
    stage.script = asking(steps)
    return stage.start()


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_authentication_takes_as_many_steps_as_it_takes(steps: int) -> None:
    authenticator = Password()
    with authenticated(authenticator, steps) as stage:
        assert stage.online
        assert authenticator.log == ["begin ", *["respond question"] * steps, "succeed fine"]
        (connect,) = stage.packets(Connect)
        assert connect.properties.authentication_method == "steps"
        assert connect.properties.authentication_data == b"begin"
        assert [each.properties.authentication_data for each in stage.packets(Auth)] == [
            b"respond"
        ] * steps


def test_each_connection_authenticates_anew() -> None:
    authenticator = Password()
    with authenticated(authenticator, 0) as stage:
        stage.cut()
        stage.pass_time(1)
        assert authenticator.log == ["begin ", "succeed fine"] * 2


def test_a_client_may_authenticate_anew() -> None:
    authenticator = Password()
    with authenticated(authenticator, 0) as stage:
        authenticator.log.clear()
        stage.engine.reauthenticate(stage.time)
        stage.settle()
        assert authenticator.log == ["begin ", "respond again", "succeed fine"]
        assert stage.online
        authenticator.wrong = {"begin": ValueError("so")}
        with pytest.raises(ValueError, match="so"):
            stage.engine.reauthenticate(stage.time)
        assert stage.online


def test_without_an_authenticator_there_is_nothing_to_do_anew() -> None:
    with staged() as stage, pytest.raises(LocalProtocolError):
        stage.engine.reauthenticate(stage.time)


@pytest.mark.parametrize("what", ["begin", "respond", "succeed"])
@pytest.mark.parametrize("again", [False, True])
def test_an_authenticator_that_gives_up_ends_the_client(what: str, again: bool) -> None:
    wrong = ValueError("I do not know you")
    authenticator = Password() if again else Password(**{what: wrong})
    with authenticated(authenticator, 1, retry_first=True) as stage:
        if again:
            authenticator.wrong[what] = wrong
            stage.cut()
            stage.pass_time(1)
        assert error_of(stage) is wrong
        assert stage.server is None
        assert stage.engine.started.done
        assert not stage.online
        kinds = [type(each) for each in stage.events()]
        assert kinds.count(Online) == again
        if what != "begin":
            assert kinds[-1] is Offline
            (farewell,) = stage.packets(Disconnect)
            assert farewell.reason_code == ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize("what", ["respond", "succeed"])
def test_a_server_that_fails_when_it_is_asked_anew_is_left(what: str) -> None:
    authenticator = Password()
    with authenticated(authenticator, 0) as stage:
        authenticator.wrong[what] = ValueError("so")
        stage.hold()
        handle = stage.publish("a")
        stage.engine.reauthenticate(stage.time)
        stage.settle()
        assert error_of(stage) is authenticator.wrong[what]
        assert handle.done
        assert handle.error is not None


@pytest.mark.parametrize("what", ["begin", "respond"])
def test_an_authenticator_that_says_what_cannot_be_sent_ends_the_client(what: str) -> None:
    with authenticated(Password(**{what: 5}), 1) as stage:
        assert isinstance(error_of(stage), (TypeError, ValueError))
        assert stage.server is None


def test_messages_of_a_server_that_has_failed_are_not_taken() -> None:
    authenticator = Password(succeed=ValueError("so"))

    def accept(server: ServerConnection, event: Event, now: float) -> bool:
        if isinstance(event, ConnectReceived):
            server.accept(now=now)
            server.send(Publish("a"), now=now)
        return True

    stage = Stage(authenticator=authenticator, client_id="c")
    stage.script = accept
    with stage.start():
        assert len(stage.engine.general) == 0


def test_authentication_is_nothing_for_old_versions() -> None:
    with pytest.raises(InvalidValueError, match="needs MQTT"):
        Stage(authenticator=Password(), mqtt_version=4)


def test_a_client_that_authenticates_does_not_fall_back() -> None:
    stage = Stage(authenticator=Password(), mqtt_version="auto")
    stage.script = refusing(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION)
    with stage.start():
        assert isinstance(error_of(stage), ConnectRefusedError)
        assert len(stage.dialed) == 1


# Signs of life.


def test_a_ping_is_answered() -> None:
    with staged() as stage:
        ping, other = stage.engine.ping(stage.time), stage.engine.ping(stage.time)
        assert pending(ping)
        stage.settle()
        ping.check()
        assert ping.done
        assert other.done
        assert stage.engine.round_trip == 0.0


def test_a_ping_fails_with_its_connection() -> None:
    with staged() as stage:
        stage.silent = True
        ping = stage.engine.ping(stage.time)
        stage.cut()
        with pytest.raises(TransportError, match="ended before"):
            ping.check()


def test_an_idle_connection_is_kept_alive() -> None:
    with staged(keep_alive=10) as stage:
        stage.pass_time(100)
        assert stage.online
        assert len(stage.packets(PingReq)) == 10
        assert len(stage.dialed) == 1


def test_a_dead_connection_is_noticed() -> None:
    with staged(keep_alive=10, ping_timeout=5) as stage:
        stage.silent = True
        stage.pass_time(14)
        assert stage.online
        stage.silent = False
        stage.pass_time(2)
        assert stage.online
        assert [time for time, _ in stage.dialed] == [1000.0, 1015.25]


# The end.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_with_nothing_under_way_leaves_at_once(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        stage.engine.close(stage.time, 5)
        stage.settle()
        assert stage.engine.stopped.done
        assert stage.engine.error is None
        (farewell,) = stage.packets(Disconnect)
        assert farewell.reason_code == 0
        assert farewell.properties.session_expiry_interval == (0 if version == 5 else None)
        assert stage.server is None
        # And again.
        stage.engine.close(stage.time, 5)
        stage.engine.close_now(stage.time)
        stage.settle()
        assert stage.packets(Disconnect) == []
        assert stage.engine.next_step(stage.time) is None


@pytest.mark.parametrize("options", [{"session_expiry_interval": 50}, {"session": Session("c")}])
def test_a_session_that_is_to_outlive_the_client_does(options: dict[str, Any]) -> None:
    with staged(**options) as stage:
        stage.engine.close(stage.time, 5)
        stage.settle()
        (farewell,) = stage.packets(Disconnect)
        assert farewell.properties.session_expiry_interval is None


@pytest.mark.parametrize("qos", [1, 2])
def test_the_end_waits_for_what_is_under_way(qos: int) -> None:
    with staged() as stage:
        stage.hold()
        handle = stage.publish("a", qos)
        stage.engine.close(stage.time, 5)
        stage.pass_time(4)
        assert pending(stage.engine.stopped)
        stage.release()
        assert stage.engine.stopped.done
        handle.check()
        assert handle.done


def test_the_end_waits_so_long_and_no_longer() -> None:
    with staged() as stage:
        stage.hold()
        handle = stage.publish("a")
        stage.engine.close(stage.time, 5)
        stage.engine.close(stage.time, 500)
        stage.pass_time(4)
        assert pending(handle)
        stage.pass_time(2)
        assert stage.engine.stopped.done
        assert handle.done
        assert handle.error is not None
        assert len(stage.packets(Disconnect)) == 1


def test_the_end_has_no_patience_if_it_is_given_none() -> None:
    with staged() as stage:
        stage.hold()
        stage.publish("a")
        stage.engine.close(stage.time, 0)
        stage.settle()
        assert stage.engine.stopped.done


def test_the_end_connects_again_for_what_is_under_way() -> None:
    with staged() as stage:
        stage.down = {"one"}
        stage.cut()
        handle = stage.publish("a")
        stage.engine.close(stage.time, 5)
        stage.pass_time(1)
        assert pending(handle)
        stage.down = set()
        stage.pass_time(4)
        handle.check()
        assert handle.done
        assert stage.engine.stopped.done


def test_the_end_offline_waits_no_longer_than_said() -> None:
    with staged(reconnect_min=60.0) as stage:
        stage.cut()
        handle = stage.publish("a")
        stage.engine.close(stage.time, 5)
        stage.pass_time(4)
        assert pending(handle)
        stage.pass_time(2)
        assert stage.engine.stopped.done
        with pytest.raises(ClientClosedError):
            handle.check()


def test_with_nothing_under_way_the_end_offline_comes_at_once() -> None:
    with staged(reconnect_min=60.0) as stage:
        stage.cut()
        stage.engine.close(stage.time, 5)
        stage.settle()
        assert stage.engine.stopped.done
        assert len(stage.dialed) == 1


def test_a_server_that_cannot_be_reached_ends_the_end() -> None:
    with staged(reconnect=False) as stage:
        stage.hold()
        handle = stage.publish("a")
        stage.engine.close(stage.time, 5)
        stage.cut()
        assert stage.engine.stopped.done
        assert handle.done


def test_a_client_may_end_before_it_has_begun() -> None:
    stage = Stage()
    stage.engine.close(stage.time, 5)
    with stage.start():
        assert stage.dialed == []
        with pytest.raises(ClientClosedError):
            stage.engine.started.check()


def test_a_client_may_end_while_it_dials() -> None:
    stage = Stage("mqtt://one", "mqtt://two")
    stage.hanging = {"one"}
    with stage.start():
        stage.engine.close(stage.time, 5)
        stage.pass_time(100)
        assert stage.dialed == [(1000.0, "one")]


def test_a_connection_that_comes_behind_the_end_is_not_used() -> None:
    stage = Stage()
    stage.engine.close_now(stage.time)
    stage.engine.dialed(stage.time)
    assert stage.engine.data_to_send() == b""
    assert stage.engine.close_expected()


def test_a_client_may_end_before_connack() -> None:
    stage = Stage()
    stage.script = lambda *_: True
    with stage.start():
        assert not stage.online
        stage.engine.close(stage.time, 5)
        stage.settle()
        assert stage.engine.stopped.done
        assert [type(each) for each in stage.sent] == [Connect, Disconnect]


def test_messages_wait_for_connack_at_the_end_too() -> None:
    stage = Stage()
    stage.script = lambda *_: True
    with stage.start():
        handle = stage.publish("a")
        stage.engine.close(stage.time, 5)
        stage.pass_time(4)
        assert pending(handle)
        stage.pass_time(2)
        assert handle.done
        assert stage.engine.stopped.done


def test_a_client_says_why_it_leaves() -> None:
    with staged(will=Will("w", b"x")) as stage:
        properties = Properties(reason_string="so")
        with pytest.raises(InvalidValueError):
            stage.engine.disconnect(ReasonCode.SERVER_BUSY, EMPTY, stage.time)
        assert stage.online
        stage.engine.disconnect(ReasonCode.DISCONNECT_WITH_WILL_MESSAGE, properties, stage.time)
        stage.settle()
        (farewell,) = stage.packets(Disconnect)
        assert farewell.reason_code == ReasonCode.DISCONNECT_WITH_WILL_MESSAGE
        assert farewell.properties.reason_string == "so"
        assert farewell.properties.session_expiry_interval == 0
        assert stage.engine.closed


def test_a_farewell_that_cannot_be_said_leaves_the_end_as_it_was() -> None:
    with staged() as stage:
        stage.hold()
        stage.publish("a")
        stage.engine.close(stage.time, 5)
        with pytest.raises(InvalidValueError):
            stage.engine.disconnect(ReasonCode.SERVER_BUSY, EMPTY, stage.time)
        stage.pass_time(6)
        assert stage.engine.stopped.done


def test_a_session_may_be_kept_longer_at_the_end() -> None:
    with staged() as stage:
        properties = Properties(session_expiry_interval=7)
        stage.engine.disconnect(0, properties, stage.time)
        stage.settle()
        (farewell,) = stage.packets(Disconnect)
        assert farewell.properties.session_expiry_interval == 7


def test_what_goes_wrong_elsewhere_ends_the_client() -> None:
    stage = Stage()
    wrong = ValueError("so")
    stage.engine.fail(wrong)
    stage.engine.fail(OSError())
    assert error_of(stage) is wrong
    with pytest.raises(ClientClosedError, match="so") as caught:
        stage.publish("a")
    assert caught.value.__cause__ is wrong


# A session that is given, or stored.


class Shelf:
    """A store in memory, which fails as often as it is told to."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self.data = data
        self.changes: list[Change] = []
        self.failing = 0
        self.closed = 0

    def load(self, now: float, wall: float) -> dict[str, Any] | None:
        assert wall - now == 1e9
        if self.failing:
            raise OSError("the disk is away")
        return self.data

    def commit(self, batch: Batch, now: float, wall: float) -> None:
        assert wall - now == 1e9
        if self.failing:
            self.failing -= 1
            raise OSError("the disk is full")
        assert batch
        for change in batch:
            self.changes.append(change)
            self.data = apply(self.data, change)

    def close(self) -> None:
        self.closed += 1

    @property
    def waiting(self) -> list[str]:
        """The topics of what waits and of what is in flight."""
        assert self.data is not None
        return [each["topic"] for each in (*self.data["in_flight"], *self.data["queue"])]


def stored(shelf: Shelf, **options: Any) -> Stage:
    """A client with a store, and a server that it is connected to."""
    stage = staged(client_id="c", session=shelf, **options)
    assert stage.engine.store is shelf
    return stage


def test_a_session_is_stored_and_loaded() -> None:
    shelf = Shelf()
    with stored(shelf) as stage:
        stage.publish("a", 2)
        assert shelf.waiting == []
        stage.hold()
        stage.publish("b", 2)
        stage.publish("c", 1)
        assert shelf.waiting == ["b", "c"]
    assert shelf.data is not None
    assert shelf.data["suspended_at"] == stage.time
    with Stage(client_id="c", session=shelf) as again:
        again.hub = stage.hub
        again.hold()
        again.start()
        assert again.event(Online).session_present
        assert [(each.topic, each.dup) for each in again.packets(Publish)] == [
            ("b", True),
            ("c", True),
        ]


def test_a_store_that_cannot_be_read_ends_the_client() -> None:
    shelf = Shelf()
    shelf.failing = 1
    with Stage(client_id="c", session=shelf).start() as stage:
        assert "disk is away" in str(error_of(stage))
        assert stage.dialed == []


@pytest.mark.parametrize("data", [{}, {"format": 1}, Session("other").export()])
def test_what_is_no_session_of_this_client_ends_it(data: dict[str, Any]) -> None:
    with Stage(client_id="c", session=Shelf(data)).start() as stage:
        handle_error = error_of(stage)
        assert isinstance(handle_error, ValueError)
        assert stage.dialed == []


def test_the_stored_session_says_which_client_it_is_of() -> None:
    with staged(session=Shelf(Session("c").export())) as stage:
        assert stage.engine.client_id == "c"


@pytest.mark.parametrize("count", [0, 3])
def test_what_is_published_before_the_session_is_loaded_goes_behind_it(count: int) -> None:
    shelf = Shelf()
    with stored(shelf) as stage:
        stage.hold()
        for number in range(count):
            stage.publish(f"old/{number}")
        hub = stage.hub
    stage = Stage(client_id="c", session=shelf)
    stage.hub = hub
    handles = [stage.begin(f"new/{number}", number) for number in (2, 1, 0)]
    with stage.start():
        for handle in handles:
            handle.check()
            assert handle.done
        old = [f"old/{number}" for number in range(count)]
        # What QoS 0 sends needs no place in the window.
        assert [each.topic for each in stage.received if each.qos] == [*old, "new/2", "new/1"]
        assert stage.engine._handles == {}


def test_what_finds_no_room_behind_the_stored_session_is_told() -> None:
    shelf = Shelf(Session("c").export())
    limits = QueueLimits(1, qos_0=Qos0.QUEUE)
    with stored(shelf, queue_limits=limits, reconnect_min=60.0) as stage:
        stage.cut()
        stage.publish("a")
    again = Stage(client_id="c", session=shelf, queue_limits=limits)
    handle = again.begin("b")
    task = again.spawn(again.client.publish_many([("c", b"")], qos=1))
    assert pending(task)
    with again.start():
        again.settle()
        with pytest.raises(QueueFullError):
            handle.check()
        assert task.result == 1


def test_a_stream_that_began_before_the_session_was_loaded_ends() -> None:
    shelf = Shelf()
    with stored(shelf) as stage:
        stage.hold()
        stage.publish("a")
    again = Stage(client_id="c", session=shelf)
    task = again.spawn(again.client.publish_many([("b", b""), ("c", b""), ("d", b"")], qos=1))
    with again.start():
        assert task.result == 3


def test_what_is_published_offline_is_stored_at_once() -> None:
    shelf = Shelf()
    with stored(shelf) as stage:
        stage.down = {"one"}
        stage.cut()
        stage.settle()
        assert shelf.data is not None
        assert shelf.data["suspended_at"] == stage.time
        stage.publish("a")
        assert shelf.waiting == ["a"]


def test_what_is_taken_offline_is_stored_at_once() -> None:
    shelf = Shelf()
    with stored(shelf) as stage:
        stage.say("a", b"", 2)
        stage.down = {"one"}
        stage.cut()
        stage.take()
        assert shelf.data is not None
        assert shelf.data["received"] == [1]


def test_a_store_that_fails_is_tried_again_and_holds_back_what_depends_on_it() -> None:
    shelf = Shelf()
    with stored(shelf) as stage:
        shelf.failing = 3
        handle = stage.publish("a", 2)
        assert pending(handle)
        assert stage.received == []
        stage.pass_time(2)
        assert pending(handle)
        stage.pass_time(2)
        assert handle.done
        assert [each.topic for each in stage.received] == ["a"]


def test_a_store_that_fails_at_the_end_is_told() -> None:
    shelf = Shelf()
    with stored(shelf) as stage:
        stage.hold()
        stage.publish("a", 2)
        shelf.failing = 1000
        stage.engine.close(stage.time, 1)
        stage.pass_time(3)
        assert stage.engine.stopped.done
        assert isinstance(stage.engine.store_error, OSError)
        # What waits for the store will not be sent.
        stage.cut()


def test_a_store_is_let_go_of_once() -> None:
    shelf = Shelf()
    with stored(shelf) as stage:
        pass
    stage.engine.release()
    stage.engine.release()
    assert shelf.closed == 1
    Stage(client_id="c", session=shelf).engine.release()
    assert shelf.closed == 1
    staged().engine.release()


def test_a_session_may_be_shared_out_to_a_later_client() -> None:
    session = Session("c")
    with staged(client_id="c", session=session) as first:
        first.say("a", b"", 1)
        first.say("b", b"", 2)
        second = Stage(client_id="c", session=session)
        second.hub = first.hub
        second.start()
        # The first one has lost it, and leaves what came to the other one alone.
        assert first.take_all() == ["a", "b"]
        first.engine.fail(ValueError())
        first.cut()
    with second:
        second.settle()
        assert second.online


def test_steps_are_asked_for_one_after_the_other() -> None:
    shelf = Shelf()
    credentials = lambda: ("me", "x")  # noqa: E731 - compared below
    engine = Stage(client_id="c", session=shelf, credentials=credentials).engine
    assert engine.next_step(0.0) == Load(shelf)
    engine.loaded(None, 0.0)
    assert engine.next_step(0.0) == Ask(credentials)
    engine.credentials(("me", "x"))
    step = engine.next_step(0.0)
    assert isinstance(step, Dial)
    assert step.timeout == 30.0
    engine._life.up()
    engine.dial_failed(OSError("so"), 10.0)
    assert engine.next_step(10.0) == Pause(10.25)
    assert engine.next_step(10.25) == Ask(credentials)
    engine.close(10.25, 5.0)
    assert engine.next_step(11.0) is None


def test_the_hub_is_not_the_same_for_all() -> None:
    stage = Stage()
    stage.hub = Hub(properties=Properties(server_keep_alive=3))
    with stage.start():
        assert stage.engine.limits is not None
        assert stage.engine.limits.keep_alive == 3


def test_what_is_published_before_any_connection_is_stored_too() -> None:
    shelf = Shelf()
    with stored(shelf):
        pass
    with Stage(client_id="c", session=shelf, retry_first=True) as stage:
        stage.down = {"one"}
        stage.start()
        stage.publish("a")
        assert shelf.waiting == ["a"]
        journal = stage.engine.session.journal
        assert journal is not None
        assert journal.uncommitted == 0


def test_an_answer_to_nothing_is_nothing() -> None:
    with staged() as stage:
        stage.events()
        stage.engine.receive_data(b"\x40\x02\x00\x07", stage.time)
        assert stage.online
        assert stage.engine.attached
        assert stage.events() == []


def test_what_the_transport_says_is_told_as_it_is() -> None:
    with staged() as stage:
        stage.events()
        stage.cut(TransportError("TLS has ended", "elsewhere"))
        assert str(stage.event(Offline).error) == "mqtt://one:1883: TLS has ended"


def test_a_server_that_lets_in_and_drops_is_not_asked_more_often_than_one_that_is_away() -> None:
    with staged(reconnect_min=1.0, reconnect_max=8.0) as stage:
        delays = []
        for _ in range(5):
            stage.cut()
            delays.append(stage.event(Reconnecting).delay)
            stage.pass_time(delays[-1])
            assert stage.online
        assert delays == [0.5, 1.0, 2.0, 4.0, 4.0]
        # One that lasts is a new beginning.
        stage.pass_time(100)
        stage.cut()
        assert stage.event(Reconnecting).delay == 0.5


@given(
    version=st.sampled_from([4, 5]),
    steps=st.lists(
        st.sampled_from(["1", "2", "1", "2", "cut", "away", "fail", "kill", "hold", "go", "wait"]),
        max_size=25,
    ),
)
def test_what_was_stored_is_not_lost_and_comes_once_at_qos_2(
    version: int, steps: list[str]
) -> None:
    shelf = Shelf()

    def run(before: Stage | None = None) -> Stage:
        stage = Stage(client_id="c", session=shelf, mqtt_version=version, retry_first=True)
        if before is not None:
            stage.hub, stage.time, stage.received = before.hub, before.time, before.received
            stage._held, stage._holding = before._held, before._holding
        return stage.start()

    def kill(stage: Stage) -> Stage:
        server = stage.server
        if server is not None:
            stage.hub.handle(server, server.connection_lost(stage.time), stage.time)
        return run(stage)

    stage = run()
    published: dict[str, tuple[int, PublishHandle]] = {}
    due: set[str] = set()
    for step in [*steps, "go", "kill", "wait", "wait"]:
        if step in ("1", "2"):
            topic = f"{step}/{len(published)}"
            published[topic] = int(step), stage.publish(topic, int(step))
        elif step in ("cut", "away"):
            stage.down = {"one"} if step == "away" else set()
            stage.cut()
            stage.settle()
        elif step == "fail":
            shelf.failing = 2
        elif step == "kill":
            due |= set(shelf.waiting) if shelf.data is not None else set()
            shelf.failing = 0
            stage = kill(stage)
        elif step == "hold":
            stage.hold()
        elif step == "go":
            stage.release()
        else:
            stage.down = set()
            stage.pass_time(100)
    topics = [each.topic for each in stage.received]
    for topic, (qos, handle) in published.items():
        if topic in due or (handle.done and handle.error is None):
            assert topic in topics
        if qos == 2:
            assert topics.count(topic) <= 1
    assert shelf.waiting == []
    with stage:
        pass
