"""Hypothesis strategies: legal MQTT, cut in any way, and illegal MQTT with what is wrong with it.

They need hypothesis: ``pip install 'mqttproto[testing]'``. Two tests, of a parser that is fed one
direction of a connection::

    from hypothesis import given, strategies as st
    from mqttproto.testing import strategies as mqtt

    @given(data=st.data(), stream=mqtt.wire_bytes(sender="client"))
    def test_any_cutting(data, stream):
        parser = MyParser()
        for chunk in data.draw(mqtt.cuttings(stream.data)):
            parser.feed(chunk)
        assert parser.packets_seen == len(stream.packets)

    @given(broken=mqtt.malformed(version=5, sender="client"))
    def test_refusal(broken):
        parser = MyParser(maximum_packet_size=broken.max_packet_size)
        parser.feed(broken.data)
        assert parser.packets_seen == len(broken.packets)
        assert parser.refused_with == broken.error.reason_code, broken.error.statement

From the ground up:

* values: :func:`versions`, :func:`senders`, :func:`strings`, :func:`payloads`, :func:`packet_ids`,
  :func:`topic_names`, :func:`topic_filters`, :func:`shared_filters`;
* what packets hold: :func:`properties`, :func:`will_properties`, :func:`wills`,
  :func:`subscriptions`;
* one strategy for each class of packet, from :func:`connects` to :func:`auths`, and
  :func:`packets` for all that an end may send in a version;
* bytes: :func:`wire_forms`, :func:`wire_bytes`, :func:`malformed`, and what to do to them:
  :func:`cuttings`, :func:`mutations`.

All of it is legal as far as one direction of a connection can tell, but for what the last group
breaks on purpose. It is no conversation: acknowledgements answer nothing, topic aliases were not
agreed upon, and what a broker must refuse for reasons of its own (rights, quotas) may occur.

Versions may be given as :class:`~mqttproto.constants.ProtocolVersion` or as 3, 4 or 5, senders as
:class:`~mqttproto.constants.Sender` or as ``"client"`` or ``"server"``.
"""

try:
    import hypothesis  # noqa: F401
except ImportError as error:
    raise ImportError(
        "mqttproto.testing.strategies needs hypothesis: pip install 'mqttproto[testing]'"
    ) from error

from mqttproto.testing.strategies.faulty import Malformed, malformed
from mqttproto.testing.strategies.packets import (
    auths,
    connacks,
    connects,
    disconnects,
    packets,
    pingreqs,
    pingresps,
    pubacks,
    pubcomps,
    publishes,
    pubrecs,
    pubrels,
    subacks,
    subscribes,
    subscriptions,
    unsubacks,
    unsubscribes,
    wills,
)
from mqttproto.testing.strategies.properties import properties, will_properties
from mqttproto.testing.strategies.streams import (
    Stream,
    cuttings,
    mutations,
    wire_bytes,
    wire_forms,
)
from mqttproto.testing.strategies.topics import shared_filters, topic_filters, topic_names
from mqttproto.testing.strategies.values import (
    packet_ids,
    payloads,
    senders,
    strings,
    versions,
)

__all__ = [
    "Malformed",
    "Stream",
    "auths",
    "connacks",
    "connects",
    "cuttings",
    "disconnects",
    "malformed",
    "mutations",
    "packet_ids",
    "packets",
    "payloads",
    "pingreqs",
    "pingresps",
    "properties",
    "pubacks",
    "pubcomps",
    "publishes",
    "pubrecs",
    "pubrels",
    "senders",
    "shared_filters",
    "strings",
    "subacks",
    "subscribes",
    "subscriptions",
    "topic_filters",
    "topic_names",
    "unsubacks",
    "unsubscribes",
    "versions",
    "will_properties",
    "wills",
    "wire_bytes",
    "wire_forms",
]
