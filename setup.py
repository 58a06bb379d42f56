"""What pyproject.toml cannot say: a build makes the gRPC stubs, and a wheel carries the pretrained pair.

An editable install makes the stubs in the checkout, where the pair lies already.
"""

import shutil
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from setuptools import Command, setup
from setuptools.command.build import build

CONTRACTS = sorted(Path("protos").rglob("*.proto"))
PAIR = Path("models")
PAIR_IN_WHEEL = Path("serving/repository/models")  # where serving/repository/model_repository.py looks for it
IGNORED = shutil.ignore_patterns(".*")  # an exporter's lock and what it leaves beside


class BuildStep(Command):
    """A step of the build, after setuptools' own: into `build_lib`, or into the checkout for an editable install."""

    def initialize_options(self) -> None:
        self.build_lib: str | None = None
        self.editable_mode = False  # setuptools sets it

    def finalize_options(self) -> None:
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))


class BuildStubs(BuildStep):
    """The stubs of every contract, by grpcio-tools."""

    def run(self) -> None:
        from grpc_tools import protoc  # not where only the metadata is asked for

        out = "." if self.editable_mode else self.build_lib
        # google/protobuf lies in grpcio-tools, google/rpc in googleapis-common-protos.
        places = (".", files("grpc_tools") / "_proto", distribution("googleapis-common-protos").locate_file(""))
        arguments = [f"--proto_path={place}" for place in places]
        arguments += [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", *arguments, *map(str, CONTRACTS)]) != 0:
            raise SystemExit("the gRPC stubs could not be made")

    def get_source_files(self) -> list[str]:
        return [str(contract) for contract in CONTRACTS]


class BuildPair(BuildStep):
    """The pretrained pair, where the installed server finds it."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.copytree(PAIR, Path(self.build_lib, PAIR_IN_WHEEL), ignore=IGNORED, dirs_exist_ok=True)

    def get_source_files(self) -> list[str]:
        return [str(path) for path in PAIR.rglob("*") if path.is_file()]


build.sub_commands = [*build.sub_commands, ("build_stubs", None), ("build_pair", None)]
setup(cmdclass={"build_stubs": BuildStubs, "build_pair": BuildPair})
