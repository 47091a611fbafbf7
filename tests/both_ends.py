"""A connection of either role that was accepted: what holds for both is tested with both."""

from typing import Any, Final

import client_stage
import server_stage
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect
from mqttproto.constants import Sender
from mqttproto.protocol import ClientConnection, Delivery, ServerConnection, Session

CLIENT: Final = Sender.CLIENT
SERVER: Final = Sender.SERVER

ROLES: Final = (CLIENT, SERVER)
VERSIONS: Final = (3, 4, 5)

EXPLAINED: Final = server_stage.EXPLAINED

Stage = client_stage.Stage | server_stage.Stage


def end_of(stage: Stage) -> ClientConnection | ServerConnection:
    """Our end of the connection."""
    return stage.client if isinstance(stage, client_stage.Stage) else stage.server


def joined(
    role: Sender,
    version: int = 5,
    session: Session | None = None,
    *,
    own: Properties = EMPTY,
    peer: Properties = EMPTY,
    resume: bool = False,
    lasting: bool = True,
    now: float = 0.0,
    **options: Any,
) -> Stage:
    """A connection, its CONNECT and CONNACK behind it and all of it stored.

    :param own: what our end announces.
    :param peer: what the other end announces.
    :param lasting: whether the session outlives the connection.
    :param options: of the connection. A client acknowledges manually unless they say otherwise,
        because a server always does.
    """
    of_client = own if role is CLIENT else peer
    of_server = peer if role is CLIENT else own
    if lasting:
        connect = client_stage.lasting(version, of_client)
    else:
        connect = Connect("c", keep_alive=0, properties=of_client)
    if role is CLIENT:
        options.setdefault("manual_acknowledgement", True)
        return client_stage.connected(
            version, connect, session, resume=resume, announce=of_server, now=now, **options
        )
    return server_stage.connected(
        version,
        connect,
        session,
        resume=resume,
        announce=of_server,
        server=ServerConnection(now=now, **options),
        now=now,
    )


def publish(
    stage: Stage, topic: str, qos: int = 1, payload: bytes = b"", properties: Properties = EMPTY
) -> Delivery:
    """Publish at QoS 1 or 2."""
    now = stage.now
    delivery = end_of(stage).publish(topic, payload, qos, properties=properties, now=now)
    assert delivery is not None
    return delivery


def cut(stage: Stage) -> None:
    """Lose the network connection."""
    end_of(stage).connection_lost(stage.now)
