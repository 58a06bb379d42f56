import torch

from training.batches import Batches


def collect(batches: Batches, start: int, stop: int) -> list[int]:
    seen: list[int] = []
    while start + len(seen) < stop:
        seen += batches.at(start + len(seen)).tolist()
    return seen


def test_an_epoch_holds_every_image_once() -> None:
    epoch = collect(Batches(1000, 128, seed=0), 0, 1000)
    assert sorted(epoch) == list(range(1000))


def test_the_last_batch_of_an_epoch_is_smaller_and_stays() -> None:
    assert len(Batches(1000, 128, seed=0).at(896)) == 104


def test_no_batch_is_a_single_image() -> None:
    sizes, seen, batches = [], 0, Batches(1 + 3 * 128, 128, seed=0)
    while seen < batches.count:
        sizes.append(len(batches.at(seen)))
        seen += sizes[-1]
    assert sizes == [128, 128, 129]


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    batches = Batches(1000, 1000, seed=0)
    orders = [batches.at(0), batches.at(1000), Batches(1000, 1000, seed=1).at(0), Batches(1000, 1000, seed=1).at(1000)]
    assert all(not torch.equal(first, second) for i, first in enumerate(orders) for second in orders[:i])


def test_a_batch_depends_on_nothing_but_the_images_seen() -> None:
    batches = Batches(1000, 128, seed=5)
    later = batches.at(1512)
    batches.at(0)
    assert torch.equal(later, batches.at(1512))
    assert torch.equal(later, Batches(1000, 128, seed=5).at(1512))
