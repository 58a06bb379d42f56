"""Letters as a hand writes them."""

import torch

from evaluation.pen import FIELD
from training.fakes.written_letters import MOMENTS, STROKES, curve, written


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_curve_leads_through_its_places_and_of_two_is_a_straight_line() -> None:
    places = torch.tensor([[[0.0, 0.0], [3.0, 1.0], [2.0, 5.0], [2.0, 5.5]]])
    assert torch.allclose(curve(places)[:, ::MOMENTS], places)
    line = curve(places[:, :2])[0]
    assert torch.allclose(line[:, 0], 3 * line[:, 1], atol=1e-6)
    assert bool((line[1:] > line[:-1]).all())


def test_every_letter_is_there_in_several_forms_and_the_same_for_a_seed() -> None:
    images = written(3, rng(1))
    assert images.shape == (3 * len(STROKES), FIELD, FIELD)
    assert torch.equal(images, written(3, rng(1)))
    letters = images.view(len(STROKES), 3, -1)
    for name, forms in zip(STROKES, letters, strict=True):
        assert bool((forms.sum(1) > 25).all()), name
        assert not torch.equal(forms[0], forms[1]), name
