"""What an exported pair is worth, beside the PyTorch pair that it was made from: on the same latents and real digits.

Pixels may differ by a level and logits by a rounding error; whether that matters is for these figures to say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evaluation.quality import detector_auroc, generator_quality
from evaluation.reference import FullReference
from export.errors import VerificationError
from export.graphs import DiscriminatorGraph, GeneratorGraph
from export.on_cpu import CHUNK, open_session, run_in_chunks

SEED = 20_250_311  # of the latents: those that a run is measured with, so that the figures are the run's
Quality = dict[str, float]


@dataclass(frozen=True)
class Trial:
    """What every pair of a run is tried on.

    Attributes:
        z: float32[count, latent].
        digit: int64[count, 1], 0 to 9 in turn, or None for a model without classes.
        reference: As many real test images, and what the figures need of them.
    """

    z: Tensor
    digit: Tensor | None
    reference: FullReference

    @classmethod
    def of(cls, latent_size: int, classes: int, reference: FullReference) -> "Trial":
        """As many latents as there are test images."""
        count = len(reference)
        z = torch.randn(count, latent_size, generator=torch.Generator().manual_seed(SEED))
        return cls(z, torch.arange(count).unsqueeze(1) % classes if classes else None, reference)

    def measure(self, generate: Callable[..., Tensor], score: Callable[[Tensor], Tensor]) -> Quality:
        """The figures of a pair, by their names in the metadata.

        Args:
            generate: `z` and, where there are classes, `digit`, to images uint8[count, 28, 28].
            score: Images to logits float32[count, 1].
        """
        images = generate(self.z) if self.digit is None else generate(self.z, self.digit)
        asked = self.digit.squeeze(1) if self.digit is not None else None
        auroc = detector_auroc(score(self.reference.images), score(images))
        quality = generator_quality(images, asked, self.reference.light)
        return {"test_images": len(self.reference), **quality, "auroc": auroc}


def pytorch_quality(trial: Trial, generator: GeneratorGraph, discriminator: DiscriminatorGraph) -> Quality:
    """The figures of the PyTorch pair."""

    @torch.inference_mode()
    def generate(*inputs: Tensor) -> Tensor:
        parts = zip(*(tensor.split(CHUNK) for tensor in inputs), strict=True)
        return torch.cat([generator(*part) for part in parts])

    @torch.inference_mode()
    def score(images: Tensor) -> Tensor:
        return torch.cat([discriminator(part)[0] for part in images.split(CHUNK)])

    return trial.measure(generate, score)


def onnx_quality(trial: Trial, generator: Path, discriminator: Path) -> Quality:
    """The figures of a pair of files on ONNX Runtime's CPU provider."""
    generating, scoring = open_session(generator), open_session(discriminator)

    def generate(*inputs: Tensor) -> Tensor:
        rows = {name: tensor.numpy() for name, tensor in zip(("z", "digit"), inputs, strict=False)}
        return torch.from_numpy(run_in_chunks(generating, ["images"], rows)[0])

    def score(images: Tensor) -> Tensor:
        return torch.from_numpy(run_in_chunks(scoring, ["logit"], {"images": images.numpy()})[0])

    return trial.measure(generate, score)


def check_quality(what: str, found: Quality, expected: Quality, frechet_share: float, auroc_share: float) -> None:
    """Refuse a pair that is not worth what another is.

    Args:
        what: The pair and what it is compared with, for the message.
        found: Its figures.
        expected: Those of the other.
        frechet_share: How far the Fréchet distances may be apart, in shares of the expected one.
        auroc_share: The same of the AUROC; of a detector worse than chance, in shares of 1 minus it.

    Raises:
        VerificationError: With both figures and the bound.
    """
    auroc = expected["auroc"]
    for name, limit in (
        ("frechet_distance", frechet_share * expected["frechet_distance"]),
        ("auroc", auroc_share * max(auroc, 1 - auroc)),
    ):
        difference = abs(found[name] - expected[name])
        if not difference <= limit:  # NaN is not
            raise VerificationError(
                f"{what}: {name} is {found[name]:.6g} against {expected[name]:.6g}, {difference:.3g} apart; "
                f"at most {limit:.3g} is allowed"
            )
