"""Are the digits good, is the detector right: on tensors, whoever made them. Never imports the other rooms."""

from evaluation import torchvision_without_ops  # noqa: F401  (before torchmetrics, which imports torchvision)
