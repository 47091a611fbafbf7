"""From one connection to the next: where, when, in which version, and whether at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_stage import Stage, pending, staged
from mqttproto.constants import ConnectReturnCode, ProtocolVersion, ReasonCode
from mqttproto.engine.life import Life
from mqttproto.engine.options import Options
from mqttproto.engine.schedule import Schedule
from mqttproto.engine.targets import places_of
from mqttproto.engine.verdicts import REFUSALS, Verdict, verdict_of_end, verdict_of_refusal
from mqttproto.errors import InvalidValueError
from mqttproto.transport.url import Address, parse_url

ONE, TWO, THREE = (parse_url(f"mqtt://{each}") for each in ("one", "two", "three"))


def life(*places: Address | None, **options: object) -> Life:
    """A life whose delays are as long as can be."""
    return Life(places or [ONE], Options(**options), lambda: 1.0)  # type: ignore[arg-type]


def ways(a_life: Life, count: int, verdict: Verdict = Verdict.RETRY) -> list[tuple[str, float]]:
    """The next places, each after a failure, and the seconds before."""
    found = []
    for _ in range(count):
        assert a_life.down(verdict)
        found.append(
            (str(a_life.place).removeprefix("mqtt://").removesuffix(":1883"), a_life.delay)
        )
    return found


# Delays.


@given(
    shortest=st.floats(0.001, 10),
    factor=st.floats(1, 1e6),
    random=st.floats(0, 1, exclude_max=True),
    count=st.integers(0, 2_000),
)
def test_delays_are_anywhere_below_the_doubled_one(
    shortest: float, factor: float, random: float, count: int
) -> None:
    longest = shortest * factor
    schedule = Schedule(shortest, longest, lambda: random)
    for number in range(min(count, 100)):
        assert schedule.failures == number
        most = min(longest, shortest * 2.0**number)
        assert schedule.next_delay() == random * most
        assert 0 <= random * most <= most
    for _ in range(count):
        assert schedule.next_delay() <= longest
    schedule.reset()
    assert schedule.failures == 0
    assert schedule.next_delay() <= shortest


@pytest.mark.parametrize(
    ("shortest", "longest"), [(0, 1), (-1, 1), (2, 1), (1, float("inf")), (float("nan"), 1)]
)
def test_delays_out_of_range_are_refused(shortest: float, longest: float) -> None:
    with pytest.raises(InvalidValueError, match="reconnect_min"):
        Schedule(shortest, longest, lambda: 0.0)


# Verdicts.


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION, Verdict.OTHER_VERSION),
        (ConnectReturnCode.IDENTIFIER_REJECTED, Verdict.STOP),
        (ConnectReturnCode.SERVER_UNAVAILABLE, Verdict.RETRY),
        (ConnectReturnCode.NOT_AUTHORIZED, Verdict.RENEW),
        (ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, Verdict.OTHER_VERSION),
        (ReasonCode.SERVER_BUSY, Verdict.RETRY),
        (ReasonCode.BANNED, Verdict.STOP),
        (ReasonCode.BAD_USER_NAME_OR_PASSWORD, Verdict.RENEW),
        (ReasonCode.USE_ANOTHER_SERVER, Verdict.REDIRECT),
    ],
)
def test_a_refusal_means_something_for_the_next_connection(
    code: ReasonCode | ConnectReturnCode, verdict: Verdict
) -> None:
    assert verdict_of_refusal(code) is verdict


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (ReasonCode.SESSION_TAKEN_OVER, Verdict.STOP),
        (ReasonCode.SERVER_SHUTTING_DOWN, Verdict.RETRY),
        (ReasonCode.NOT_AUTHORIZED, Verdict.RENEW),
        (ReasonCode.SERVER_MOVED, Verdict.REDIRECT),
    ],
)
def test_an_end_means_something_for_the_next_connection(code: ReasonCode, verdict: Verdict) -> None:
    assert verdict_of_end(code) is verdict


def test_no_code_has_two_meanings() -> None:
    assert len(REFUSALS) == len({int(each) for each in REFUSALS})


# Verdict times state.

GOES_ON = {
    # Before the first connection, with one server: every end is that of the first round.
    ("first", Verdict.RETRY): False,
    ("first", Verdict.REDIRECT): False,
    ("first", Verdict.RENEW): False,
    ("first", Verdict.OTHER_VERSION): False,
    ("first", Verdict.STOP): False,
    ("patient", Verdict.RETRY): True,
    ("patient", Verdict.REDIRECT): True,
    ("patient", Verdict.RENEW): False,
    ("patient", Verdict.OTHER_VERSION): False,
    ("patient", Verdict.STOP): False,
    ("up", Verdict.RETRY): True,
    ("up", Verdict.REDIRECT): True,
    ("up", Verdict.RENEW): False,
    ("up", Verdict.OTHER_VERSION): False,
    ("up", Verdict.STOP): False,
    ("up, with credentials", Verdict.RENEW): True,
    ("up, not again", Verdict.RETRY): False,
    ("up, not again", Verdict.REDIRECT): False,
    ("up, not again", Verdict.RENEW): False,
    ("first, auto", Verdict.OTHER_VERSION): True,
    ("up, auto", Verdict.OTHER_VERSION): False,
    ("stream", Verdict.RETRY): False,
    ("stream, auto", Verdict.OTHER_VERSION): False,
    ("first, auto, authenticator", Verdict.OTHER_VERSION): False,
}


class Nobody:
    """An authenticator that is never asked."""

    method = "m"

    def begin(self) -> bytes | None:
        return None

    def respond(self, _: bytes | None) -> bytes | None:
        return None

    def succeed(self, _: bytes | None) -> None:
        pass


@pytest.mark.parametrize(("state", "verdict"), GOES_ON)
def test_verdicts_and_states_say_whether_to_go_on(state: str, verdict: Verdict) -> None:
    words = set(state.split(", "))
    options: dict[str, object] = {"retry_first": "patient" in words}
    if "with credentials" in words:
        options["credentials"] = lambda: (None, None)
    if "not again" in words:
        options["reconnect"] = False
    if "auto" in words:
        options["mqtt_version"] = "auto"
    if "authenticator" in words:
        options["authenticator"] = Nobody()
    a_life = life(None if "stream" in words else ONE, **options)
    if "up" in words:
        a_life.up()
    assert a_life.down(verdict) == GOES_ON[state, verdict]


def test_another_version_is_tried_once() -> None:
    a_life = life(mqtt_version="auto")
    assert a_life.version == 5
    assert a_life.may_fall_back
    assert a_life.down(Verdict.OTHER_VERSION)
    assert [a_life.version] == [ProtocolVersion.MQTT311]
    assert a_life.delay == 0
    assert [a_life.may_fall_back] == [False]
    assert not a_life.down(Verdict.OTHER_VERSION)


# Several places.


def test_places_are_tried_in_turn_and_then_the_first_fails() -> None:
    a_life = life(ONE, TWO, THREE)
    assert ways(a_life, 2) == [("two", 0), ("three", 0)]
    assert not a_life.down(Verdict.RETRY)


def test_a_patient_client_begins_anew_after_each_round() -> None:
    a_life = life(ONE, TWO, retry_first=True, reconnect_min=1.0, reconnect_max=3.0)
    assert ways(a_life, 8) == [
        ("two", 0),
        ("one", 1),
        ("two", 0),
        ("one", 2),
        ("two", 0),
        ("one", 3),
        ("two", 0),
        ("one", 3),
    ]


def test_a_client_comes_back_to_the_server_that_it_was_connected_to() -> None:
    a_life = life(ONE, TWO, THREE, reconnect_min=1.0)
    ways(a_life, 1)
    a_life.up()
    assert a_life.was_up
    assert ways(a_life, 4) == [("two", 1), ("three", 0), ("one", 0), ("two", 2)]


def test_a_connection_begins_the_delays_anew() -> None:
    a_life = life(reconnect_min=1.0)
    a_life.up()
    assert ways(a_life, 3) == [("one", 1), ("one", 2), ("one", 4)]
    a_life.up()
    assert ways(a_life, 1) == [("one", 1)]


# Server references.


def test_a_reference_is_not_followed_unasked() -> None:
    a_life = life(retry_first=True)
    assert a_life.down(Verdict.REDIRECT, [TWO])
    assert a_life.place == ONE


def test_a_reference_is_followed_at_once_and_only_so_long_as_it_holds() -> None:
    a_life = life(follow_server_reference=True, reconnect_min=1.0)
    assert a_life.down(Verdict.REDIRECT, [TWO, THREE])
    assert (a_life.place, a_life.delay) == (TWO, 0)
    # It is not there: the other one, and then the one that has sent it there.
    assert a_life.down(Verdict.RETRY)
    assert a_life.place == THREE
    assert a_life.down(Verdict.RETRY)
    assert a_life.place == ONE


def test_a_client_comes_back_to_the_server_that_it_was_sent_to() -> None:
    a_life = life(follow_server_reference=True, reconnect_min=1.0)
    a_life.up()
    assert a_life.down(Verdict.REDIRECT, [TWO])
    a_life.up()
    assert ways(a_life, 3) == [("two", 1), ("one", 0), ("one", 2)]


def test_a_server_that_has_moved_is_forgotten() -> None:
    a_life = life(ONE, TWO, follow_server_reference=True, reconnect_min=1.0)
    assert a_life.down(Verdict.REDIRECT, [THREE], moved=True)
    a_life.up()
    assert ways(a_life, 2) == [("three", 1), ("three", 2)]


def test_a_reference_to_nowhere_is_not_followed() -> None:
    a_life = life(follow_server_reference=True, retry_first=True, reconnect_min=1.0)
    assert a_life.down(Verdict.REDIRECT, [])
    assert (a_life.place, a_life.delay) == (ONE, 1)


def test_servers_that_refer_to_each_other_are_left_for_a_while() -> None:
    a_life = life(follow_server_reference=True, retry_first=True, reconnect_min=1.0)
    delays = []
    for _ in range(30):
        assert a_life.down(Verdict.REDIRECT, [TWO])
        delays.append(a_life.delay)
    # After five detours back to the start, and from there once more, later.
    assert [each for each in delays if each][:2] == [1, 2]
    assert delays.index(1) < 10
    # It is followed again then.
    while a_life.place != TWO:
        assert a_life.down(Verdict.REDIRECT, [TWO])


# The same, with connections.


def test_the_first_connection_fails_after_one_round() -> None:
    stage = Stage("mqtt://one", "mqtt://two", "mqtt://three")
    stage.down = {"one", "two", "three"}
    with stage.start():
        assert [host for _, host in stage.dialed] == ["one", "two", "three"]
        assert stage.engine.started.done
        with pytest.raises(Exception, match="cannot be reached"):
            stage.engine.started.check()


def test_the_first_server_that_answers_is_taken() -> None:
    stage = Stage("mqtt://one", "mqtt://two", "mqtt://three")
    stage.down = {"one"}
    with stage.start():
        assert stage.online
        assert stage.dialed == [(1000.0, "one"), (1000.0, "two")]


def test_a_server_that_does_not_answer_costs_its_time() -> None:
    stage = Stage("mqtt://one", "mqtt://two", connect_timeout=7.0)
    stage.hanging = {"one"}
    with stage.start():
        stage.pass_time(10)
        assert stage.dialed == [(1000.0, "one"), (1007.0, "two")]


def test_a_server_that_sends_no_connack_costs_its_time() -> None:
    stage = Stage("mqtt://one", connect_timeout=7.0, retry_first=True)
    stage.silent = True
    with stage.start():
        stage.pass_time(6)
        assert len(stage.dialed) == 1
        stage.silent = False
        stage.pass_time(2)
        assert stage.dialed == [(1000.0, "one"), (1007.25, "one")]
        assert stage.online


def test_a_patient_client_waits_for_its_first_connection() -> None:
    stage = Stage(retry_first=True, reconnect_min=1.0, reconnect_max=4.0)
    stage.down = {"one"}
    with stage.start():
        stage.pass_time(10)
        assert pending(stage.engine.started)
        assert [time - 1000 for time, _ in stage.dialed] == [0, 0.5, 1.5, 3.5, 5.5, 7.5, 9.5]
        stage.down = set()
        stage.pass_time(2)
        assert stage.online


def test_a_client_that_does_not_reconnect_ends_with_its_connection() -> None:
    with staged(reconnect=False) as stage:
        stage.cut(OSError("so"))
        stage.settle()
        assert stage.engine.closed
        assert "so" in str(stage.engine.error)
        assert len(stage.dialed) == 1


def test_a_byte_stream_is_used_once() -> None:
    with staged(stream=True) as stage:
        stage.cut()
        stage.pass_time(100)
        assert stage.engine.closed
        assert "without a word" in str(stage.engine.error)
        assert stage.dialed == [(1000.0, "stream")]


# What to connect to.


def test_a_target_is_one_url_or_several_or_a_stream() -> None:
    assert places_of("mqtt://one") == ([ONE], None)
    assert places_of(["mqtt://one", "mqtt://two"]) == ([ONE, TWO], None)
    stream = (object(), object())
    assert places_of(stream) == ([None], stream)


@pytest.mark.parametrize("target", ["", "one", [], ["mqtt://one", "two"]])
def test_what_is_no_url_is_refused(target: str | list[str]) -> None:
    with pytest.raises(InvalidValueError):
        places_of(target)
