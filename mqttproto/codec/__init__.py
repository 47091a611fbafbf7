"""Bytes and packets: the codec. It knows no connection."""

from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode, encoded_size
from mqttproto.codec.packet import Packet
from mqttproto.codec.scanner import FrameTable

__all__ = ["Decoder", "FrameTable", "Packet", "encode", "encoded_size"]
