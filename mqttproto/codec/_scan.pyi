# Not cffi's own types: whoever builds this has no stubs for cffi.
from typing import Any

ffi: Any
lib: Any
