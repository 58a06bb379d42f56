"""ONNX Runtime, imported here alone: what it would tell its maker is off before it loads.

    from digitforge.machine.onnx_runtime import onnxruntime

From 1.31 on, a session looks up hosts and leaves a device's id in ~/.cache/Microsoft, unless this variable is set when
the library is loaded; `disable_telemetry_events` comes too late for both.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as onnxruntime
