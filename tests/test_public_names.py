"""The names that others import."""

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import mqttproto
import mqttproto.codec
import mqttproto.constants
import mqttproto.errors
import mqttproto.protocol
import mqttproto.topics

# What is promised: these names stay.
PROMISED = """
    ProtocolVersion QoS ReasonCode Properties Will Subscription
    Connect ConnAck Publish PubAck PubRec PubRel PubComp Subscribe SubAck
    Unsubscribe UnsubAck PingReq PingResp Disconnect Auth
    ClientConnection ServerConnection Session
"""

# What stands in the package for connections and sessions.
PROTOCOL = """
    ClientConnection ServerConnection Connection Session Journal Batch Delivery
    ConnectionState Leniency NegotiatedLimits Overflow Qos0 QueueLimits
"""

# Importing these does something: they are commands, or parts of a build.
NOT_IMPORTED = {"mqttproto.__main__", "mqttproto.codec._scan", "mqttproto.codec._scan_build"}


def modules() -> list[str]:
    names = ["mqttproto", "mqttproto.codec", "mqttproto.protocol"]
    for package in (mqttproto, mqttproto.codec, mqttproto.protocol):
        found = pkgutil.iter_modules(package.__path__, package.__name__ + ".")
        names += [module.name for module in found if not module.ispkg]
    # mypyc puts what its modules share into a module beside them.
    return [name for name in names if name not in NOT_IMPORTED and not name.endswith("__mypyc")]


every_module = pytest.mark.parametrize("name", modules())


@pytest.mark.parametrize("name", PROMISED.split())
def test_the_names_that_were_promised(name: str) -> None:
    assert name in mqttproto.__all__
    assert inspect.isclass(getattr(mqttproto, name))
    assert getattr(mqttproto, name).__name__ == name


@pytest.mark.parametrize("name", ["Decoder", "encode"])
def test_the_names_of_the_codec_that_were_promised(name: str) -> None:
    assert name in mqttproto.codec.__all__
    assert callable(getattr(mqttproto.codec, name))


@pytest.mark.parametrize("name", PROTOCOL.split())
def test_the_names_of_the_protocol(name: str) -> None:
    assert name in mqttproto.protocol.__all__
    assert inspect.isclass(getattr(mqttproto.protocol, name))
    assert getattr(mqttproto.protocol, name).__name__ == name


@pytest.mark.parametrize("name", ["ClientConnection", "ServerConnection", "Session"])
def test_what_is_public_twice_is_one_thing(name: str) -> None:
    assert getattr(mqttproto, name) is getattr(mqttproto.protocol, name)


# What an application meets stands in these; it must find their names there.
@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("events", "Connected MessageReceived ConnectionFailed Disconnected DropReason Event"),
        ("changes", "Change SessionStarted SessionEnded MessageQueued"),
        ("export", "FORMAT apply"),
        ("handshakes", "INBOUND OUTBOUND OutboundState InboundState"),
        ("transitions", "LIFE RECEPTION ConnectionState"),
        ("authentication", "AUTHENTICATION AuthenticationState"),
    ],
)
def test_the_modules_of_the_protocol_that_have_more(module: str, names: str) -> None:
    found = importlib.import_module(f"mqttproto.protocol.{module}")
    assert set(names.split()) <= set(found.__all__)


def test_the_attributes_of_a_decoder_that_were_promised() -> None:
    decoder = mqttproto.codec.Decoder(version=5, max_packet_size=100)
    packets = decoder.feed(b"\xc0\0\xd0\0\0")
    assert packets == [mqttproto.PingReq(), mqttproto.PingResp()]
    assert decoder.offsets == [0, 2]
    assert isinstance(decoder.error, mqttproto.MalformedPacketError)


@every_module
def test_everything_that_is_exported_can_be_imported(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for exported in module.__all__:
        assert hasattr(module, exported), exported


@pytest.mark.parametrize("module", [mqttproto, mqttproto.codec, mqttproto.protocol])
def test_a_package_has_its_public_names_and_nothing_else(module: ModuleType) -> None:
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(module.__all__) - {"__version__"}


def test_the_enumerations_and_errors_are_public() -> None:
    assert set(mqttproto.__all__) >= set(mqttproto.errors.__all__)
    enumerations = {name for name in mqttproto.constants.__all__ if not name.isupper()}
    assert set(mqttproto.__all__) >= enumerations
