"""Makes the backend importable outside Triton's process."""

import sys

from support import python_backend_utils

sys.modules.setdefault("triton_python_backend_utils", python_backend_utils)
