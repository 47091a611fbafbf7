"""The sessions that ``recording.py`` records: what mosquitto, its tools and paho are told to do.

What each end must have sent when a connection ends is written beside what the client was told, as
names of packets. Another course of events is an error, and then nothing is written.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from recording_stage import Stage, Take, paho_properties

__all__ = ["SESSIONS", "Session"]


class Session(NamedTuple):
    """What is played, once for each version; the docstring of ``play`` says what is in it.

    ``settings`` are lines for the configuration of :class:`Stage`.
    """

    play: Callable[[Stage, str], None]
    versions: tuple[str, ...]
    settings: str = ""

    def record(self) -> list[Take]:
        """Play it, and return what was recorded."""
        takes = []
        for version in self.versions:
            with Stage(self.settings) as stage:
                self.play(stage, version)
                takes += stage.takes
        return takes


def quality_of_service(stage: Stage, version: str) -> None:
    """One message of each QoS, each published by a client of its own, and one subscriber."""
    subscriber = stage.start(
        "mosquitto_sub", version, "qos", "-q 2 -t plant/+/temp -t alarm/# -C 3"
    )
    subscriber.take.saw("server", "SUBACK")
    stage.start("mosquitto_pub", version, "qos0", "-q 0 -t plant/7/temp -m 21.5").ends(
        "CONNECT PUBLISH DISCONNECT", "CONNACK"
    )
    subscriber.take.saw("server", "PUBLISH", 1)
    stage.start("mosquitto_pub", version, "qos1", "-q 1 -t plant/8/temp -m 19").ends(
        "CONNECT PUBLISH DISCONNECT", "CONNACK PUBACK"
    )
    subscriber.take.saw("client", "PUBACK")
    stage.start("mosquitto_pub", version, "qos2", "-q 2 -t alarm -m 'fire in the greenhouse'").ends(
        "CONNECT PUBLISH PUBREL DISCONNECT", "CONNACK PUBREC PUBCOMP"
    )
    subscriber.ends(
        "CONNECT SUBSCRIBE PUBACK PUBREC PUBCOMP DISCONNECT",
        "CONNACK SUBACK PUBLISH PUBLISH PUBLISH PUBREL",
    )


def retained(stage: Stage, version: str) -> None:
    """A message is retained, sent to a later subscriber, and cleared; names are not ASCII."""
    topic = "'gewächshaus/温度/🌡'"
    stage.start("mosquitto_pub", version, "retain", f"-r -q 1 -t {topic} -m '23,4 °C'").ends(
        "CONNECT PUBLISH DISCONNECT", "CONNACK PUBACK"
    )
    stage.start("mosquitto_sub", version, "retained", "-q 1 -t 'gewächshaus/#' -C 1").ends(
        "CONNECT SUBSCRIBE PUBACK DISCONNECT", "CONNACK SUBACK PUBLISH"
    )
    stage.start("mosquitto_pub", version, "retain-clear", f"-r -n -t {topic}").ends(
        "CONNECT PUBLISH DISCONNECT", "CONNACK"
    )


def will(stage: Stage, version: str) -> None:
    """A client with a will (in 5.0, of many properties) is killed, and another one sees it."""
    watcher = stage.start("mosquitto_sub", version, "will-seen", "-q 1 -t status/+ -C 1")
    watcher.take.saw("server", "SUBACK")
    properties = (
        "-D will will-delay-interval 1 -D will payload-format-indicator 1"
        " -D will message-expiry-interval 86400 -D will content-type text/plain"
        " -D will response-topic status/why -D will correlation-data 0815"
        " -D will user-property room 'north wing' -D will user-property room south"
    )
    dying = stage.start(
        "mosquitto_sub",
        version,
        "will",
        "-t nothing --will-topic status/7 --will-payload gone --will-qos 1 --will-retain"
        f" {properties if version == '5.0' else ''}",
    )
    dying.take.saw("server", "SUBACK")
    dying.kill()
    dying.take.ends("CONNECT SUBSCRIBE", "CONNACK SUBACK")
    watcher.ends("CONNECT SUBSCRIBE PUBACK DISCONNECT", "CONNACK SUBACK PUBLISH")


def wildcards(stage: Stage, version: str) -> None:
    """Filters of every shape in one SUBSCRIBE, one of them in ``$SYS``, and topics that match some.

    Where filters overlap, mosquitto sends one copy in 3.1.1 and one for each in 5.0.
    """
    copies = 1 if version == "3.1.1" else 2
    subscriber = stage.start(
        "mosquitto_sub",
        version,
        "wildcards",
        "-t '#' -t +/+/temp -t +// -t '/#' -t '$SYS/broker/version' -U 'never/subscribed/#'"
        f" -C {1 + 3 * copies}",
    )
    subscriber.take.saw("server", "UNSUBACK")
    for label, topic in (("slash", "/"), ("slashes", "a//"), ("temp", "plant/7/temp")):
        stage.start("mosquitto_pub", version, f"wildcards-{label}", f"-t {topic} -n").ends(
            "CONNECT PUBLISH DISCONNECT", "CONNACK"
        )
    subscriber.ends(
        "CONNECT SUBSCRIBE UNSUBSCRIBE DISCONNECT",
        "CONNACK SUBACK PUBLISH UNSUBACK" + " PUBLISH" * 3 * copies,
    )


def shared(stage: Stage, version: str) -> None:
    """Two clients share a subscription: each gets half of the messages."""
    workers = [
        stage.start("mosquitto_sub", version, f"shared-{name}", "-q 1 -t $share/workers/job/+ -C 2")
        for name in ("a", "b")
    ]
    for worker in workers:
        worker.take.saw("server", "SUBACK")
    for number in range(4):
        stage.start(
            "mosquitto_pub", version, f"shared-{number}", f"-q 1 -t job/{number} -m do"
        ).ends("CONNECT PUBLISH DISCONNECT", "CONNACK PUBACK")
    for worker in workers:
        worker.ends("CONNECT SUBSCRIBE PUBACK PUBACK DISCONNECT", "CONNACK SUBACK PUBLISH PUBLISH")


def tool_properties(stage: Stage, version: str) -> None:
    """Every property that mosquitto's tools can be told to send."""
    subscriber = stage.start(
        "mosquitto_sub",
        version,
        "properties",
        "-q 2 -t props/# -U props/other -C 1 -x 3600"
        " -D connect receive-maximum 7 -D connect maximum-packet-size 65536"
        " -D connect topic-alias-maximum 4 -D connect request-problem-information 1"
        " -D connect request-response-information 1"
        " -D connect user-property a 1 -D connect user-property a 1"
        " -D subscribe subscription-identifier 268435455 -D subscribe user-property b 2"
        " -D unsubscribe user-property c 3"
        " -D disconnect session-expiry-interval 0 -D disconnect reason-string enough"
        " -D disconnect user-property '' ''",
    )
    subscriber.take.saw("server", "UNSUBACK")
    stage.start(
        "mosquitto_pub",
        version,
        "properties-sent",
        "-q 2 -t props/all -m '{\"ok\": true}'"
        " -D publish payload-format-indicator 1 -D publish message-expiry-interval 4294967295"
        " -D publish content-type application/json -D publish response-topic answers/here"
        " -D publish correlation-data c0ffee -D publish topic-alias 1"
        " -D publish user-property path one -D publish user-property path two"
        " -D publish user-property path one -D publish user-property 'clé' 'valeur ✓'",
    ).ends("CONNECT PUBLISH PUBREL DISCONNECT", "CONNACK PUBREC PUBCOMP")
    subscriber.ends(
        "CONNECT SUBSCRIBE UNSUBSCRIBE PUBREC PUBCOMP DISCONNECT",
        "CONNACK SUBACK UNSUBACK PUBLISH PUBREL",
    )


def request(stage: Stage, version: str) -> None:
    """A request by mosquitto_rr and its answer by paho; mosquitto_rr leaves without DISCONNECT."""
    answering = stage.paho(version, "request-answered")
    answering.connect(
        "request-answered",
        "subscribe to `request/+` with QoS 1, publish one answer with QoS 1"
        + (", Correlation Data and Message Expiry Interval" if version == "5.0" else ""),
    )
    answering.client.subscribe("request/+", 1)
    answering.saw("server", "SUBACK")
    correlation = " -D publish correlation-data 42" if version == "5.0" else ""
    asking = stage.start(
        "mosquitto_rr",
        version,
        "request",
        f"-q 1 -t request/time -e answer/time -m 'now?'{correlation}",
    )
    answering.saw("client", "PUBACK")
    asking.take.saw("server", "PUBACK")
    properties = (
        paho_properties("PUBLISH", CorrelationData=b"42", MessageExpiryInterval=86400)
        if version == "5.0"
        else None
    )
    answering.client.publish("answer/time", "12:00", 1, properties=properties)
    answering.saw("server", "PUBACK")
    answering.client.disconnect()
    answering.ends("CONNECT SUBSCRIBE PUBACK PUBLISH DISCONNECT", "CONNACK SUBACK PUBLISH PUBACK")
    asking.ends("CONNECT SUBSCRIBE PUBLISH PUBACK", "CONNACK SUBACK PUBACK PUBLISH")


def conversation(stage: Stage, version: str) -> None:
    """A client talks to itself: the handshakes of every QoS, both ways, on one connection."""
    paho = stage.paho(version, "conversation")
    paho.connect(
        "conversation",
        "subscribe to `self/+` with QoS 2; publish to it with QoS 0 (nothing), 1 (every byte) and"
        " 2; unsubscribe from it and from another",
    )
    paho.saw("server", "CONNACK")
    paho.client.subscribe("self/+", 2)
    paho.saw("server", "SUBACK")
    paho.client.publish("self/0", b"", 0)
    paho.saw("server", "PUBLISH")
    paho.client.publish("self/1", bytes(range(256)), 1)
    paho.saw("client", "PUBACK")
    paho.saw("server", "PUBACK")
    paho.client.publish("self/2", "zweimal", 2)
    paho.saw("client", "PUBCOMP")
    paho.client.unsubscribe(["self/+", "other/#"])
    paho.saw("server", "UNSUBACK")
    paho.client.disconnect()
    paho.ends(
        "CONNECT SUBSCRIBE PUBLISH PUBLISH PUBACK PUBLISH PUBREL PUBREC PUBCOMP UNSUBSCRIBE"
        " DISCONNECT",
        "CONNACK SUBACK PUBLISH PUBLISH PUBACK PUBREC PUBLISH PUBCOMP PUBREL UNSUBACK",
    )


def paho_properties_sent(stage: Stage, version: str) -> None:
    """The properties and subscription options that only paho can be told to send."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.reasoncodes import ReasonCode
    from paho.mqtt.subscribeoptions import SubscribeOptions

    paho = stage.paho(version, "properties")
    paho.client.username_pw_set("nobody", "")
    paho.client.will_set(
        "self/will",
        b"\x00\xff",
        2,
        retain=True,
        properties=paho_properties("WILLMESSAGE", WillDelayInterval=0, UserProperty=("", "")),
    )
    paho.connect(
        "properties",
        "two overlapping subscriptions with identifiers; the second of two messages has a topic"
        " alias only; a Keep Alive that the server lowers; leave with the will",
        keep_alive=1000,
        properties=paho_properties(
            "CONNECT",
            SessionExpiryInterval=0xFFFF_FFFF,
            ReceiveMaximum=0xFFFF,
            MaximumPacketSize=0x0FFF_FFFF,
            TopicAliasMaximum=0xFFFF,
            RequestResponseInformation=0,
            RequestProblemInformation=0,
            UserProperty=[("same", "1"), ("other", "2"), ("same", "1")],
        ),
    )
    paho.saw("server", "CONNACK")
    paho.client.subscribe(
        [("self/#", SubscribeOptions(2, retainAsPublished=True))],
        properties=paho_properties(
            "SUBSCRIBE", SubscriptionIdentifier=1, UserProperty=("why", "all")
        ),
    )
    paho.saw("server", "SUBACK")
    paho.client.subscribe(
        [
            ("self/+", SubscribeOptions(1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)),
            (
                "self/talk",
                SubscribeOptions(
                    0, noLocal=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND
                ),
            ),
        ],
        properties=paho_properties("SUBSCRIBE", SubscriptionIdentifier=128),
    )
    paho.saw("server", "SUBACK", 2)
    paho.client.publish(
        "self/alias",
        "first",
        1,
        retain=True,
        properties=paho_properties(
            "PUBLISH",
            TopicAlias=10,
            PayloadFormatIndicator=0,
            ContentType="",
            CorrelationData=b"",
            ResponseTopic="self/answer",
        ),
    )
    paho.saw("server", "PUBACK")
    paho.saw("client", "PUBACK", 2)
    paho.client.publish("", "second", 1, properties=paho_properties("PUBLISH", TopicAlias=10))
    paho.saw("server", "PUBACK", 2)
    paho.saw("client", "PUBACK", 4)
    paho.client.unsubscribe(
        ["self/+", "never"], properties=paho_properties("UNSUBSCRIBE", UserProperty=("why", ""))
    )
    paho.saw("server", "UNSUBACK")
    paho.client.disconnect(
        ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"),
        paho_properties(
            "DISCONNECT",
            SessionExpiryInterval=0,
            ReasonString="enough",
            UserProperty=[("z", ""), ("a", "")],
        ),
    )
    paho.ends(
        "CONNECT SUBSCRIBE SUBSCRIBE PUBLISH PUBACK PUBACK PUBLISH PUBACK PUBACK UNSUBSCRIBE"
        " DISCONNECT",
        "CONNACK SUBACK SUBACK PUBLISH PUBLISH PUBACK PUBLISH PUBLISH PUBACK UNSUBACK",
    )


def nameless(stage: Stage, version: str) -> None:
    """A client without a client id; in 5.0 the server assigns one."""
    paho = stage.paho(version, "")
    paho.connect("nameless", "connect with an empty client id")
    paho.saw("server", "CONNACK")
    paho.client.disconnect()
    paho.ends("CONNECT DISCONNECT", "CONNACK")


def ping(stage: Stage, version: str) -> None:
    """Nothing to say for a while, but PINGREQ."""
    paho = stage.paho(version, "ping")
    paho.connect("ping", "wait for two PINGRESP, with a Keep Alive of 1 second", keep_alive=1)
    paho.saw("server", "PINGRESP", 2)
    paho.client.disconnect()
    paho.ends("CONNECT PINGREQ PINGREQ DISCONNECT", "CONNACK PINGRESP PINGRESP")
    if version == "3.1.1":
        stage.start("mosquitto_sub", version, "ping-sub", "-k 5 -t nothing -W 8").ends(
            "CONNECT SUBSCRIBE PINGREQ DISCONNECT", "CONNACK SUBACK PINGRESP"
        )


def large(stage: Stage, version: str) -> None:
    """Long payloads, from standard input: 200 KiB published (to nobody), 20 KiB received."""
    for label, option, size in (("large", "", 200 * 1024), ("large-retain", "-r", 20 * 1024)):
        stage.start(
            "mosquitto_pub",
            version,
            label,
            f"-q 1 {option} -t large -s",
            stdin=(LINE * size)[:size],
        ).ends("CONNECT PUBLISH DISCONNECT", "CONNACK PUBACK")
    stage.start("mosquitto_sub", version, "large-sub", "-q 1 -t large -C 1").ends(
        "CONNECT SUBSCRIBE PUBACK DISCONNECT", "CONNACK SUBACK PUBLISH"
    )


LINE: Final = b"One line of a payload that is long, and easy to compress.\n"


def away(stage: Stage, version: str) -> None:
    """What was published while a subscriber was away comes when it resumes its session."""
    session = "-c -q 2 -t away/#" + (" -x 3600" if version == "5.0" else "")
    stage.start("mosquitto_sub", version, "away", f"{session} -E").ends(
        "CONNECT SUBSCRIBE DISCONNECT", "CONNACK SUBACK"
    )
    stage.start("mosquitto_pub", version, "away-1", "-q 1 -t away/1 -m one").ends(
        "CONNECT PUBLISH DISCONNECT", "CONNACK PUBACK"
    )
    stage.start("mosquitto_pub", version, "away-2", "-q 2 -t away/2 -m two").ends(
        "CONNECT PUBLISH PUBREL DISCONNECT", "CONNACK PUBREC PUBCOMP"
    )
    stage.start("mosquitto_sub", version, "back", f"{session} -C 2", client_id="away").ends(
        "CONNECT SUBSCRIBE PUBACK PUBREC PUBCOMP DISCONNECT",
        "CONNACK PUBLISH PUBLISH SUBACK PUBREL",
    )


def resent(stage: Stage, version: str) -> None:
    """Connections break before acknowledgements are read: each end sends again, with DUP."""
    expiry = paho_properties("CONNECT", SessionExpiryInterval=3600) if version == "5.0" else None
    paho = stage.paho(version, "resent", clean_session=False)
    paho.connect(
        "resent-1",
        "subscribe to `to/me` with QoS 2; publish with QoS 1 and 2, break off without reading the"
        " acknowledgements",
        properties=expiry,
    )
    paho.saw("server", "CONNACK")
    paho.client.subscribe("to/me", 2)
    paho.saw("server", "SUBACK")
    paho.client.publish("to/others", "one", 1)
    paho.client.publish("to/others", "two", 2)
    first = paho.take
    first.saw("server", "PUBREC")

    paho.reconnect(
        "resent-2",
        "resume, publish again, break off without reading the PUBCOMP and the two messages that"
        " come",
    )
    paho.saw("client", "PUBREL")
    second = paho.take
    second.saw("server", "PUBCOMP")
    stage.start("mosquitto_pub", version, "resent-to-1", "-q 1 -t to/me -m three").ends(
        "CONNECT PUBLISH DISCONNECT", "CONNACK PUBACK"
    )
    stage.start("mosquitto_pub", version, "resent-to-2", "-q 2 -t to/me -m four").ends(
        "CONNECT PUBLISH PUBREL DISCONNECT", "CONNACK PUBREC PUBCOMP"
    )
    second.saw("server", "PUBLISH", 2)

    paho.reconnect("resent-3", "resume, send PUBREL again, receive the two messages again")
    paho.saw("client", "PUBCOMP")
    paho.client.disconnect()
    paho.ends(
        "CONNECT PUBREL PUBACK PUBREC PUBCOMP DISCONNECT", "CONNACK PUBLISH PUBLISH PUBCOMP PUBREL"
    )
    first.ends("CONNECT SUBSCRIBE PUBLISH PUBLISH", "CONNACK SUBACK PUBACK PUBREC")
    second.ends("CONNECT PUBLISH PUBLISH PUBREL", "CONNACK PUBACK PUBREC PUBCOMP PUBLISH PUBLISH")


def taken_over(stage: Stage, version: str) -> None:
    """Two clients with one client id: the older connection is closed, without a DISCONNECT."""
    older = stage.paho(version, "twin")
    older.connect("taken-over", "connect as `twin`")
    older.saw("server", "CONNACK")
    younger = stage.paho(version, "twin")
    younger.connect("taking-over", "connect as `twin`")
    younger.saw("server", "CONNACK")
    older.ends("CONNECT", "CONNACK")
    younger.client.disconnect()
    younger.ends("CONNECT DISCONNECT", "CONNACK")


def passwords(stage: Stage, version: str) -> None:
    """A wrong password, an unknown user, nobody, and the right password."""
    for label, arguments in (
        ("refused-password", "-u alice -P looking-glass"),
        ("refused-user", "-u bob"),
        ("refused", ""),
    ):
        stage.start("mosquitto_pub", version, label, f"{arguments} -t x -m x", door="guarded").ends(
            "CONNECT", "CONNACK"
        )
    stage.start(
        "mosquitto_pub", version, "accepted", "-u alice -P wonderland -t x -m x", door="guarded"
    ).ends("CONNECT PUBLISH DISCONNECT", "CONNACK")


def authentication(stage: Stage, version: str) -> None:
    """An authentication method that the server does not know."""
    stage.start(
        "mosquitto_pub",
        version,
        "refused-method",
        "-t x -m x -D connect authentication-method SCRAM-SHA-1"
        " -D connect authentication-data secret",
    ).ends("CONNECT", "CONNACK")


def denied(stage: Stage, version: str) -> None:
    """A client that may publish and subscribe to ``allowed/#`` only: 5.0 tells it more.

    There paho goes on with PUBREL although the PUBREC that says no has ended the handshake.
    """
    paho = stage.paho(version, "denied")
    paho.connect(
        "denied",
        "subscribe to `allowed/#` and `denied/#`, publish to `denied/x` with QoS 1 and 2,"
        " unsubscribe from both",
    )
    paho.saw("server", "CONNACK")
    paho.client.subscribe([("allowed/#", 2), ("denied/#", 2)])
    paho.saw("server", "SUBACK")
    paho.client.publish("denied/x", "x", 1)
    paho.saw("server", "PUBACK")
    paho.client.publish("denied/x", "x", 2)
    paho.saw("server", "PUBCOMP")
    paho.client.unsubscribe(["allowed/#", "denied/#"])
    paho.saw("server", "UNSUBACK")
    paho.client.disconnect()
    paho.ends(
        "CONNECT SUBSCRIBE PUBLISH PUBLISH PUBREL UNSUBSCRIBE DISCONNECT",
        "CONNACK SUBACK PUBACK PUBREC PUBCOMP UNSUBACK",
    )


def thrown_out(stage: Stage, version: str) -> None:
    """Connections that the server ends by a DISCONNECT, for what the client publishes."""
    alias = stage.paho(version, "thrown-out-alias")
    alias.connect("thrown-out-alias", "publish with a topic alias above the Topic Alias Maximum")
    alias.saw("server", "CONNACK")
    alias.client.publish("x", "x", 1, properties=paho_properties("PUBLISH", TopicAlias=11))
    alias.ends("CONNECT PUBLISH", "CONNACK DISCONNECT")

    size = stage.paho(version, "thrown-out-size")
    size.connect("thrown-out-size", "publish a packet above the Maximum Packet Size")
    size.saw("server", "CONNACK")
    size.client.publish("x", "x" * 300, 1)
    size.ends("CONNECT PUBLISH", "CONNACK DISCONNECT")

    retain = stage.paho(version, "thrown-out-retain")
    retain.connect("thrown-out-retain", "publish a retained message in spite of Retain Available")
    retain.saw("server", "CONNACK")
    retain.client.publish("x", "x", 1, retain=True)
    retain.ends("CONNECT PUBLISH", "CONNACK DISCONNECT")

    qos = stage.paho(version, "thrown-out-qos", door="guarded")
    qos.client.username_pw_set("alice", "wonderland")
    qos.connect("thrown-out-qos", "as alice, publish with a QoS above the Maximum QoS")
    qos.saw("server", "CONNACK")
    qos.client.publish("x", "x", 2)
    qos.ends("CONNECT PUBLISH", "CONNACK DISCONNECT")


V31_UP: Final = ("3.1", "3.1.1", "5.0")
V311_UP: Final = ("3.1.1", "5.0")
V5: Final = ("5.0",)

SESSIONS: Final = (
    Session(quality_of_service, V31_UP),
    Session(conversation, V31_UP),
    Session(retained, V311_UP),
    Session(will, V311_UP),
    Session(wildcards, V311_UP),
    Session(shared, V311_UP),
    Session(request, V311_UP),
    Session(tool_properties, V5),
    Session(paho_properties_sent, V5),
    Session(nameless, V311_UP),
    Session(ping, V311_UP),
    Session(large, V5),
    Session(away, V311_UP),
    Session(resent, V311_UP),
    Session(taken_over, V311_UP),
    Session(passwords, V31_UP),
    Session(authentication, V5),
    Session(denied, V311_UP, "plugin {plugin}\nplugin_opt_config_file {folder}/roles.json"),
    Session(thrown_out, V5, "max_packet_size 300\nretain_available false"),
)
