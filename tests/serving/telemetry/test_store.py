"""Metrics in shared memory: one writer a slot, series as they appear, and what outlives whom."""

import os

import pytest

from serving.telemetry.store import OTHER, Family, Slot, Store

CALLS = Family("calls_total", "counter", "Calls.", ("method", "status"), max_series=3)
OPEN = Family("open", "gauge", "Open.")
WAITING = Family("waiting", "gauge", "Waiting.", ("model",), max_series=3)
SIZES = Family("sizes", "histogram", "Sizes.", ("method",), (1.0, 10.0), max_series=3)
FAMILIES = (CALLS, OPEN, WAITING, SIZES)


@pytest.fixture
def store() -> Store:
    return Store(FAMILIES, slots=2)


def test_slots_are_added_up_by_their_labels(store: Store) -> None:
    one, other = store.slot(0), store.slot(1)
    one.value(CALLS, "Generate", "OK").add()
    other.value(CALLS, "Score", "OK").add()
    other.value(CALLS, "Generate", "OK").add(2)
    assert store.sums(CALLS) == {("Generate", "OK"): [3.0], ("Score", "OK"): [1.0]}


def test_nothing_is_told_of_what_never_appeared(store: Store) -> None:
    store.slot(0)
    assert all(store.sums(family) == {} for family in FAMILIES)


def test_value_on_a_bound_is_below_it_and_a_larger_one_beyond_the_last(store: Store) -> None:
    sizes = store.slot(0).histogram(SIZES, "Generate")
    for value in (0.5, 1.0, 1.5, 10.0, 11.0, 12.0):
        sizes.observe(value)
    assert store.sums(SIZES) == {("Generate",): [2.0, 2.0, 2.0, 36.0]}


def in_a_process_of_its_own(store: Store, number: int, write: object) -> None:
    child = os.fork()
    if child == 0:
        write(store.slot(number))  # type: ignore[operator]
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_counters_and_histograms_outlive_their_process_and_the_next_counts_on(store: Store) -> None:
    def write(slot: Slot) -> None:
        slot.value(CALLS, "Generate", "OK").add()
        slot.histogram(SIZES, "Generate").observe(5)

    for _ in range(3):
        in_a_process_of_its_own(store, 1, write)
    assert store.sums(CALLS) == {("Generate", "OK"): [3.0]}
    assert store.sums(SIZES) == {("Generate",): [0.0, 3.0, 0.0, 15.0]}


def test_gauges_of_a_process_that_has_gone_are_zeroed_and_nobody_elses(store: Store) -> None:
    store.slot(0).value(OPEN).set(1)

    def write(slot: Slot) -> None:
        slot.value(OPEN).set(40)
        slot.value(WAITING, "generator").add(7)

    in_a_process_of_its_own(store, 1, write)
    assert store.sums(OPEN) == {(): [41.0]}
    store.clear_gauges(1)
    assert store.sums(OPEN) == {(): [1.0]}
    assert store.sums(WAITING) == {("generator",): [0.0]}


def test_gauges_begin_at_zero_whatever_the_last_writer_left(store: Store) -> None:
    store.slot(0).value(OPEN).set(40)
    store.slot(0)
    assert store.sums(OPEN) == {(): [0.0]}


def test_series_beyond_the_limit_count_as_other_and_those_before_go_on(store: Store) -> None:
    slot = store.slot(0)
    for number in range(10):
        slot.value(CALLS, f"method-{number}", "OK").add()
        slot.histogram(SIZES, f"method-{number}").observe(2)
    slot.value(CALLS, "method-1", "OK").add()
    assert store.sums(CALLS) == {
        ("method-0", "OK"): [1.0], ("method-1", "OK"): [2.0], ("method-2", "OK"): [1.0], (OTHER, OTHER): [7.0],
    }  # fmt: skip
    assert store.sums(SIZES)[(OTHER,)] == [0.0, 7.0, 0.0, 14.0]


def test_next_writer_of_a_full_slot_finds_every_series_again(store: Store) -> None:
    for _ in range(2):
        slot = store.slot(0)
        for number in range(5):
            slot.value(CALLS, f"method-{number}", "OK").add()
    assert {labels[0]: values for labels, values in store.sums(CALLS).items()} == {
        "method-0": [2.0], "method-1": [2.0], "method-2": [2.0], OTHER: [4.0],
    }  # fmt: skip


def test_other_that_is_counted_by_name_takes_nobodys_room(store: Store) -> None:
    slot = store.slot(0)
    slot.value(WAITING, OTHER).set(1)
    for number in range(3):
        slot.value(WAITING, str(number)).set(1)
    assert store.sums(WAITING) == {(OTHER,): [1.0], **{(str(number),): [1.0] for number in range(3)}}


def test_labels_that_are_too_long_count_as_other(store: Store) -> None:
    slot = store.slot(0)
    slot.value(WAITING, "m" * 127).add()
    slot.value(WAITING, "m" * 128).add()
    assert store.sums(WAITING) == {("m" * 127,): [1.0], (OTHER,): [1.0]}


def test_labels_that_do_not_fit_the_family_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match=r"calls_total has the labels \('method', 'status'\).*\('Generate',\)"):
        store.slot(0).value(CALLS, "Generate")
