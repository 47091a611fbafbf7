"""``python -m mqttproto``: the same as the command ``mqttproto``."""

import sys

from mqttproto.cli import main

if __name__ == "__main__":
    sys.exit(main())
