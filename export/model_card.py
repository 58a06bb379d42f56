"""The card of an exported pair: the run's, with ONNX Runtime in the place of PyTorch. It lies beside the generator."""

from training.checkpoint import Checkpoint
from training.model_card import MODEL_CARD as MODEL_CARD
from training.model_card import describe, model_card

LOADING = """\
Serve it, and the detector of the same version, with `digitforge-serve`, or with whatever reads a model repository in
Triton's layout. By hand, in this folder:

```python
import numpy as np
import onnxruntime

generator = onnxruntime.InferenceSession("model.onnx")
inputs = {{"z": np.random.default_rng(0).standard_normal((10, {latent_size}), dtype=np.float32)}}
{digits}(images,) = generator.run(["images"], inputs)  # uint8[10, 28, 28]
```

The detector takes `images` uint8[batch, 28, 28]. Its answers are `logit` and `real_probability`,
float32[batch, 1]{heads}."""
HEADS = """; `digit_probabilities` float32[batch, {classes}], of the class that an image shows if it shows one; and
`one_digit_probability` float32[batch, 1], that it shows one"""
DIGITS = 'inputs["digit"] = np.arange(10)[:, None] % {classes}  # the classes in turn\n'


def onnx_model_card(run: Checkpoint, told_classes: int) -> str:
    """The card of a finished run's pair as ONNX, as Markdown; the detector tells so many classes apart, or 0."""
    about = describe(run)
    digits = DIGITS.format(classes=run.config.classes) if run.config.classes else ""
    heads = HEADS.format(classes=told_classes) if told_classes else ""
    return model_card(about, LOADING.format(latent_size=about["latent_size"], digits=digits, heads=heads))
