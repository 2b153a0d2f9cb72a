"""Lets the backend be imported outside the process that Triton would run it in."""

import sys

from support import python_backend_utils

sys.modules.setdefault("triton_python_backend_utils", python_backend_utils)
