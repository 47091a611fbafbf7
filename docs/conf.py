"""How Sphinx builds the documentation: ``sphinx-build -W --keep-going -b html docs OUTPUT``."""

import sys
from pathlib import Path

import mqttproto

sys.path.insert(0, str(Path(__file__).parent))  # for tables.py

project = "mqttproto"
author = "The mqttproto authors"
project_copyright = f"2025, {author}"
version = release = mqttproto.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxcontrib.mermaid", "tables"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"mqttproto {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autoclass_content = "class"

# A reference to nothing is an error; only what other projects document is let pass, because the
# build must work without a network.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!mqttproto).*")]
