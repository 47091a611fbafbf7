"""The option -D."""

import pytest

from mqttproto import Properties
from mqttproto.cli.arguments import Parser
from mqttproto.cli.console import Failure
from mqttproto.cli.property_option import add_property_option, gathered
from mqttproto.codec.properties import BY_NAME

PACKETS = ("CONNECT", "PUBLISH", "SUBSCRIBE", "DISCONNECT", "WILL")


def properties(*arguments: str) -> dict[str, Properties]:
    parser = Parser(prog="mqttproto test", allow_abbrev=False)
    add_property_option(parser.add_argument_group("group"), PACKETS)
    parser.add_argument("-v", action="store_true")
    return gathered(parser.parse_args(arguments).assignments)


def complaint(*arguments: str) -> str:
    with pytest.raises(Failure) as failed:
        properties(*arguments)
    assert failed.value.status == 2
    [line] = failed.value.lines
    return line.removeprefix("argument -D/--property: ").removesuffix(
        " (see mqttproto test --help)"
    )


def test_without_it_there_are_none() -> None:
    assert properties() == properties("-v") == {}


@pytest.mark.parametrize("packet", ["PUBLISH", "publish", "Publish"])
@pytest.mark.parametrize("name", ["content-type", "content_type", "Content Type"])
@pytest.mark.parametrize("option", ["-D", "--property"])
def test_names_are_those_of_the_specification(option: str, packet: str, name: str) -> None:
    assert properties(option, packet, name, "text/plain", "-v") == {
        "PUBLISH": Properties(content_type="text/plain")
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["WILL", "will-delay-interval", "5"], Properties(will_delay_interval=5)),
        (["CONNECT", "receive-maximum", "20"], Properties(receive_maximum=20)),
        (
            ["CONNECT", "request-problem-information", "0"],
            Properties(request_problem_information=False),
        ),
        (["SUBSCRIBE", "subscription-identifier", "7"], Properties(subscription_identifiers=[7])),
        (["PUBLISH", "correlation-data", "\udcff-"], Properties(correlation_data=b"\xff-")),
        (["PUBLISH", "response-topic", "-v"], Properties(response_topic="-v")),
        (["DISCONNECT", "user-property", "-D", "b"], Properties(user_properties=[("-D", "b")])),
        (["DISCONNECT", "user-properties", "", ""], Properties(user_properties=[("", "")])),
    ],
)
def test_values_are_of_every_kind(words: list[str], expected: Properties) -> None:
    assert properties("-D", *words) == {words[0]: expected}


def test_several_gather_by_packet() -> None:
    assert properties(
        *("-D", "PUBLISH", "user-property", "a", "b"),
        *("-D", "CONNECT", "receive-maximum", "20"),
        *("-D", "PUBLISH", "topic-alias", "3"),
        *("-D", "PUBLISH", "user-property", "a", "c"),
    ) == {
        "PUBLISH": Properties(user_properties=[("a", "b"), ("a", "c")], topic_alias=3),
        "CONNECT": Properties(receive_maximum=20),
    }


@pytest.mark.parametrize(
    "words", [["PUBLISH", "topic-alias", "3"], ["SUBSCRIBE", "subscription-identifier", "3"]]
)
def test_what_may_stand_once_is_not_given_twice(words: list[str]) -> None:
    assert complaint("-D", *words, "-D", *words) == (
        f"-D {words[0]} {words[1]} is given twice: leave one out"
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["PUBACK", "reason-string", "x"], f"'PUBACK' is not one of {', '.join(PACKETS)}"),
        (["PUBLISH"], "it takes three words, as in -D PUBLISH NAME VALUE"),
        (["PUBLISH", "colour", "red"], "there is no property 'colour': PUBLISH has payload-"),
        (["WILL", "topic-alias", "1"], "WILL has no topic-alias from a client: WILL has "),
        (["PUBLISH", "subscription-identifier", "1"], "PUBLISH has no subscription-identifier"),
        (["DISCONNECT", "server-reference", "x"], "DISCONNECT has no server-reference"),
        (["PUBLISH", "topic-alias"], "topic-alias takes a value: -D PUBLISH topic-alias VALUE"),
        (
            ["PUBLISH", "user-property", "a"],
            "user-property takes a value: -D PUBLISH user-property",
        ),
        (["PUBLISH", "topic-alias", "x"], "topic-alias is a number, not 'x'"),
        (["PUBLISH", "topic-alias", "0"], "topic-alias: a Topic Alias must be 1 to 65,535; got 0"),
        (["PUBLISH", "topic-alias", "65536"], "topic-alias: "),
        (["PUBLISH", "payload-format-indicator", "2"], "payload-format-indicator: "),
        (["PUBLISH", "response-topic", "a/#"], "response-topic: "),
        (["PUBLISH", "content-type", "\udcff"], "content-type: "),
        (["PUBLISH", "user-property", "a", "\udcff"], "user-property: "),
    ],
)
def test_what_cannot_be_is_said(words: list[str], problem: str) -> None:
    assert complaint("-D", *words).startswith(problem)


def test_all_that_a_client_may_send_is_there() -> None:
    there = complaint("-D", "CONNECT", "", "").partition(" has ")[2].split(", ")
    expected = [
        row.name
        for row in BY_NAME.values()
        if Properties(authentication_method="m")
        .replace(**{row.name: example(row.name)})
        .allowed_in(1)
    ]
    singular = {"user_properties": "user_property"}
    assert there == [singular.get(name, name).replace("_", "-") for name in expected]


def example(name: str) -> object:
    """A value that a property may have."""
    for value in (1, [1], "a", b"a", [("a", "a")]):
        try:
            Properties(**{name: value})  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        return value
    raise AssertionError(name)
