"""A wheel of this checkout, built, installed and used as by people who have nothing else: `make test-wheel`.

Not part of `make test`: it makes environments, which takes minutes and a package index.
"""

import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOP_LEVEL = {"digitforge", "evaluation", "export", "judge", "page", "protos", "serving", "training"}
CLIENT = {
    "digitforge",
    "googleapis-common-protos",
    "grpcio",
    "grpcio-health-checking",
    "numpy",
    "pillow",
    "protobuf",
    "typing-extensions",
    "zlib-ng",
}
INSTALLERS = {"pip", "setuptools"}  # what a new environment has
COMMANDS = {"serve": "serve", "train": "train", "export": "train", "evaluate": "train"}  # and their extras
# Whose last line is wrong.
CALLER = """\
from digitforge import Client

def f(client: Client) -> str:
    return client.generate(3).images
"""
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")

pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        folder: Where it lies.
    """

    folder: Path

    @classmethod
    def make(cls, folder: Path, *install: str) -> "Environment":
        """A new one in which `install` is installed, in the versions of constraints.txt."""
        run(sys.executable, "-m", "venv", folder)
        made = cls(folder)
        made.run("python", *PIP, "install", "--constraint", ROOT / "constraints.txt", *install)
        return made

    def command(self, name: str, *arguments: str | Path) -> list[str]:
        return [str(self.folder / "bin" / name), *map(str, arguments)]

    def run(self, name: str, *arguments: str | Path, where: Path | None = None) -> str:
        """What a command of it prints, which ends well; in its own folder, or `where`."""
        return run(*self.command(name, *arguments), where=where or self.folder)


def run(*command: str | Path, where: Path | None = None) -> str:
    result = subprocess.run([*map(str, command)], cwd=where, capture_output=True, text=True)
    assert result.returncode == 0, f"{command} ended with {result.returncode}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files, as a fresh clone has them."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in run("git", "ls-files", "-z", where=ROOT).split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a copy, so that the checkout stays as it is."""
    copy, out = tmp_path_factory.mktemp("copy") / "checkout", tmp_path_factory.mktemp("wheel")
    shutil.copytree(checkout, copy)
    run(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", out, copy)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel without an extra."""
    return Environment.make(tmp_path_factory.mktemp("client"), str(wheel))


@pytest.fixture(scope="module")
def server(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment.make(tmp_path_factory.mktemp("server"), f"{wheel}[serve]")


@pytest.fixture
def address(server: Environment, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Of a server that was started in an empty folder; and what it says that it serves."""
    command = server.command("digitforge-serve", "--port", "0", "--workers", "1", "--device", "cpu")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            served = process.stdout.readline()
            yield process.stdout.readline().split(" serves on ")[1].split()[0], served
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert process.returncode == 0


def test_wheel_holds_the_rooms_the_stubs_and_the_pair_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == TOP_LEVEL
    for contract in ("protos/digits/v1/digits", "protos/inference/inference"):
        assert {f"{contract}.proto", f"{contract}_pb2.py", f"{contract}_pb2.pyi", f"{contract}_pb2_grpc.py"} <= {*names}
    shipped = set(run("git", "ls-files", "models", where=ROOT).split())
    place = "serving/repository/"
    assert {name.removeprefix(place) for name in names if name.startswith(f"{place}models/")} == shipped
    shown = set(run("git", "ls-files", "page/static", where=ROOT).split())
    assert {name for name in names if name.startswith("page/static/")} == shown


def test_wheel_asks_for_the_grpc_and_the_protobuf_that_its_stubs_ask_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (metadata,) = (file.read(name).decode() for name in file.namelist() if name.endswith("/METADATA"))
        messages, services = (file.read(f"protos/digits/v1/digits_{kind}.py").decode() for kind in ("pb2", "pb2_grpc"))
    for name, pattern, stubs in (
        ("grpcio", r"GRPC_GENERATED_VERSION = '(.*)'", services),
        ("protobuf", r"# Protobuf Python Version: (.*)", messages),
    ):
        assert f"Requires-Dist: {name}>={re.findall(pattern, stubs)[0]}\n" in metadata


def test_source_distribution_makes_the_same_wheel(
    wheel: Path, checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy, out = tmp_path_factory.mktemp("copy") / "checkout", tmp_path_factory.mktemp("sdist")
    shutil.copytree(checkout, copy)
    run(sys.executable, "-c", f"from setuptools import build_meta; build_meta.build_sdist({str(out)!r})", where=copy)
    run(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", out, *out.glob("*.tar.gz"))
    (again,) = out.glob("*.whl")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


def test_editable_install_makes_the_stubs_in_the_checkout(checkout: Path, tmp_path: Path) -> None:
    Environment.make(tmp_path / "environment", "--no-deps", "--editable", str(checkout))
    stubs = {path.name for path in checkout.glob("protos/digits/v1/*_pb2*")}
    assert stubs == {"digits_pb2.py", "digits_pb2.pyi", "digits_pb2_grpc.py"}
    assert not (checkout / "serving/repository/models").exists()


def test_without_an_extra_it_is_the_client_alone(client: Environment, tmp_path: Path) -> None:
    assert re.fullmatch(r"digitforge \d+\.\d+\.\d+\n", client.run("digitforge", "--version", where=tmp_path))
    client.run("python", "-c", "from digitforge import Client", where=tmp_path)
    (site,) = (client.folder / "lib").glob("*/site-packages")
    packages = {path.name.split("-")[0].replace("_", "-") for path in site.glob("*.dist-info")} - INSTALLERS
    sizes = Counter[str]()
    for path in site.rglob("*"):
        sizes[path.relative_to(site).parts[0]] += path.stat().st_size
    ours, all_of_it = (sum(sizes[name] for name in names) / 1e6 for names in (TOP_LEVEL, sizes.keys() - INSTALLERS))
    print(f"\nthe client alone: {len(packages)} packages, {all_of_it:.0f} MB, {ours:.0f} MB of them ours")
    assert packages == CLIENT


@pytest.mark.parametrize("command", COMMANDS)
def test_command_whose_extra_is_missing_says_which(command: str, client: Environment, tmp_path: Path) -> None:
    result = subprocess.run(
        client.command(f"digitforge-{command}", "--help"), cwd=tmp_path, capture_output=True, text=True
    )
    extra = COMMANDS[command]
    line = f"digitforge-{command} needs the extra '{extra}': pip install 'digitforge[{extra}]'\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", line)


def test_types_reach_the_clients_callers(client: Environment, tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    python = client.command("python")[0]
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "caller.py"]
    result = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True)
    (error,) = (line for line in result.stdout.splitlines() if ": error: " in line)
    assert 'caller.py:4: error: Incompatible return value type (got "ndarray' in error


def test_installed_server_serves_the_pair_from_any_folder_to_the_client_in_another(
    address: tuple[str, str], server: Environment, client: Environment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    there, served = address
    assert re.match(rf"version 6 of {server.folder}/lib/.*/serving/repository/models: ", served)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    at = ("--address", there)
    client.run(
        "digitforge", "generate", *at, "--seed", "7", "--digit", "3", "-n", "1", "--out-dir", "out", where=elsewhere
    )
    (digit,) = (elsewhere / "out").iterdir()
    score = client.run("digitforge", "score", *at, digit, where=elsewhere)
    verdict = "(real digit|generated|not one digit)"
    assert re.fullmatch(rf"[01]\.\d{{4}}  {verdict} +(\d \([01]\.\d{{3}}\) +)?{digit}\n", score), score
