"""Where sessions are kept between two runs of a program."""

from mqttproto.storage.session_file import SessionFile

__all__ = ["SessionFile"]
