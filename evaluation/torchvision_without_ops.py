"""Make `import torchvision` work where its compiled operators are missing. Import it before torchvision.

torchvision registers Python "meta" kernels for `nms` when it is imported, which fails with "operator
torchvision::nms does not exist" beside a torch build that its binary does not match (a torchvision wheel built for
CUDA beside torch for the CPU, say). Data sets, transforms and `utils` use none of those operators: declaring their
schemas is enough. Where torchvision imports as it is, this module does nothing.
"""

import sys

from torch import library

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

try:
    import torchvision  # noqa: F401
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left half-initialised
    _library = library.Library("torchvision", "FRAGMENT")  # kept: its schemas go when it does
    for _schema in _SCHEMAS:
        _library.define(_schema)
