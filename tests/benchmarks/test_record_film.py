"""What the README's film shows of a terminal is what the commands of today know, and of the pair that is shipped."""

import re
import shlex

from benchmarks.record_film import CAPTIONS, STAGES, TRANSCRIPT
from judge.pair import open_pair
from tests.processes import ROOT
from tests.test_documents import READERS


def parts() -> dict[str, str]:
    return dict(zip(STAGES, TRANSCRIPT.read_text().strip().split("\n\n"), strict=True))


def test_each_stage_has_commands_that_are_there_and_a_caption() -> None:
    assert set(CAPTIONS) == set(STAGES)
    for said in parts().values():
        commands = re.findall(r"^\$ (.+)$", said, re.MULTILINE)
        assert commands
        for command in commands:
            program, *arguments = shlex.split(command)
            READERS[program](arguments)


def test_run_is_shown_to_its_end_and_exported() -> None:
    said = parts()["train"]
    assert re.search(r"^finished: ", said, re.MULTILINE)
    assert "$ digitforge-export" in said


def test_served_pair_is_the_shipped_one() -> None:
    shipped = open_pair(str(ROOT / "models"))
    version = shipped.name.rpartition("-")[2]
    assert f"version {version} of models: " in parts()["serve"]
    assert re.search(rf"seed 7, offset 0, version {version}$", parts()["score"], re.MULTILINE)
