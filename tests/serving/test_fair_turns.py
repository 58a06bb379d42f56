"""Whose turn it is."""

import pytest

from serving.fair_turns import FairTurns


def test_two_who_ask_for_the_same_take_turns() -> None:
    turns: FairTurns[str] = FairTurns()
    for item in ("a1", "a2", "a3"):
        turns.put("a", item)
    for item in ("b1", "b2"):
        turns.put("b", item)
    assert [turns.take()[1] for _ in range(5)] == ["a1", "b1", "a2", "b2", "a3"]
    assert not turns
    with pytest.raises(IndexError):
        turns.take()


def test_turn_that_costs_more_comes_less_often() -> None:
    turns: FairTurns[int] = FairTurns()
    for number in range(20):
        turns.put("large", number, 3)
        turns.put("small", number, 1)
    taken = [turns.take()[0] for _ in range(12)]
    assert (taken.count("large"), taken.count("small")) == (3, 9)


def test_one_who_asks_for_little_again_and_again_is_next_beside_many_who_ask_for_much() -> None:
    turns: FairTurns[int] = FairTurns()
    for crowd in range(40):
        for number in range(100):
            turns.put(crowd, number, 64)
    for number in range(100):
        for _ in range(4):
            turns.take()
        turns.put("alone", number, 3)
        assert "alone" in [turns.take()[0] for _ in range(4)]


def test_always_somebody_new_who_asks_for_little_keeps_nobody_waiting_for_ever() -> None:
    turns: FairTurns[int] = FairTurns()
    for number in range(3):
        turns.put("old", number, 8)
    taken = []
    for new in range(1000):
        turns.put(new, 0, 1)
        taken.append(turns.take()[0])
    assert taken.count("old") == 3


def test_little_stays_of_those_who_have_gone() -> None:
    turns: FairTurns[int] = FairTurns()
    for number in range(200):
        turns.put("always here", number, 64)
    for new in range(1000):
        turns.put(new, 0, 64)
        turns.take()
    assert len(turns._ahead) < 100


def test_who_has_only_ever_one_thing_here_gets_no_more_than_who_has_many() -> None:
    turns: FairTurns[int] = FairTurns()
    for number in range(1000):
        turns.put("many", number)
    turns.put("one", 0)
    taken = []
    for number in range(1, 200):
        taken.append(turns.take()[0])
        if taken[-1] == "one":
            turns.put("one", number)
    assert 99 <= taken.count("many") <= 101


def test_what_is_removed_is_not_taken_and_its_asker_still_has_its_turns() -> None:
    turns: FairTurns[str] = FairTurns()
    turns.put("a", "a1")
    turns.put("b", "b1")
    assert turns.remove("a", "a1")
    assert not turns.remove("a", "a1")
    turns.put("a", "a2")
    turns.put("a", "a3")
    assert turns.lines() == [["b1"], ["a2", "a3"]]
    assert turns.remove("a", "a2")
    assert len(turns) == 2
    assert [turns.take()[1] for _ in range(2)] == ["b1", "a3"]


def test_all_at_once_leaves_nothing_behind() -> None:
    turns: FairTurns[str] = FairTurns()
    turns.put("a", "a1", 64)
    turns.put("b", "b1")
    turns.put("a", "a2")
    turns.take()
    assert sorted(turns.take_all()) == ["a1", "a2"]
    assert (len(turns), turns.lines(), turns.take_all()) == (0, [], [])
    for item in ("a3", "a4"):
        turns.put("a", item)
    turns.put("b", "b2")
    assert [turns.take()[1] for _ in range(3)] == ["a3", "b2", "a4"]  # nobody is behind for what all have had
