"""Settings from flags, the environment and a file, and what is refused there."""

import os
from pathlib import Path

import pytest

from serving.settings import Settings, SettingsRefusedError


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("DIGITFORGE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "digitforge.toml"


def test_flag_beats_environment_beats_file_beats_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load([]).max_batch_rows == 256
    file.write_text("max_batch_rows = 3")
    assert Settings.load(["--config", str(file)]).max_batch_rows == 3
    monkeypatch.setenv("DIGITFORGE_MAX_BATCH_ROWS", "2")
    assert Settings.load(["--config", str(file)]).max_batch_rows == 2
    assert Settings.load(["--config", str(file), "--max-batch-rows", "1"]).max_batch_rows == 1


def test_each_source_fills_in_what_the_others_leave_out(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('host = "::1"\nversions = [3, 4]')
    monkeypatch.setenv("DIGITFORGE_CONFIG", str(file))
    monkeypatch.setenv("DIGITFORGE_GRACE_S", "2.5")
    settings = Settings.load(["--port", "0"])
    assert (settings.host, settings.versions, settings.grace_s, settings.port) == ("::1", [3, 4], 2.5, 0)


def test_versions_may_be_given_one_by_one_or_in_a_list() -> None:
    assert Settings.load(["--versions", "2", "--versions", "5"]).versions == [2, 5]
    assert Settings.load(["--versions", "2,5"]).versions == [2, 5]


def test_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITFORGE_PORT", "")
    assert Settings.load([]).port == 50051


@pytest.mark.parametrize("flag", ["--max-batch-size", "--max-batch", "--max_batch_rows"])  # no abbreviation, no variant
def test_unknown_flag_is_refused_by_its_name(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        Settings.load([flag, "3"])
    assert end.value.code == 2
    assert flag in capsys.readouterr().err


def test_unknown_variable_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITFORGE_MAX_BATCH_SIZE", "3")
    with pytest.raises(SettingsRefusedError, match="DIGITFORGE_MAX_BATCH_SIZE"):
        Settings.load([])


KUBERNETES = {  # of a service of this name with a port of the name grpc, and of another whose name begins alike
    "DIGITFORGE_SERVICE_HOST": "10.0.0.11",
    "DIGITFORGE_SERVICE_PORT": "50051",
    "DIGITFORGE_SERVICE_PORT_GRPC": "50051",
    "DIGITFORGE_PORT": "tcp://10.0.0.11:50051",
    "DIGITFORGE_PORT_50051_TCP": "tcp://10.0.0.11:50051",
    "DIGITFORGE_PORT_50051_TCP_PROTO": "tcp",
    "DIGITFORGE_PORT_50051_TCP_PORT": "50051",
    "DIGITFORGE_PORT_50051_TCP_ADDR": "10.0.0.11",
    "DIGITFORGE_PAGE_SERVICE_HOST": "10.0.0.12",
    "DIGITFORGE_PAGE_SERVICE_PORT": "8000",
    "DIGITFORGE_PAGE_PORT": "tcp://10.0.0.12:8000",
    "DIGITFORGE_PAGE_PORT_8000_UDP_ADDR": "10.0.0.12",
}


def test_links_that_kubernetes_sets_are_passed_over_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in KUBERNETES.items():
        monkeypatch.setenv(name, value)
    assert Settings.load([]) == Settings()
    assert Settings.load([]).port == 50051
    (warning, *_) = caplog.messages
    for name in KUBERNETES:
        assert name in warning.replace(",", "").split()


def test_port_of_a_link_does_not_hide_the_port_of_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITFORGE_PORT", "tcp://10.0.0.11:50051")
    file.write_text("port = 50052")
    assert Settings.load(["--config", str(file)]).port == 50052


def test_port_that_is_one_is_taken_among_links(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (KUBERNETES | {"DIGITFORGE_PORT": "50052"}).items():
        monkeypatch.setenv(name, value)
    assert Settings.load([]).port == 50052


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DIGITFORGE_FOO", "3"),
        ("DIGITFORGE_HOST_PORT", "8000"),
        ("DIGITFORGE_PORTS", "tcp://10.0.0.11:50051"),
        ("DIGITFORGE_PORT_50051", "50051"),
        ("DIGITFORGE_SERVICE", "digitforge"),
    ],
)
def test_what_only_looks_like_a_link_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsRefusedError, match=name):
        Settings.load([])


@pytest.mark.parametrize("value", ["http://localhost:50051", "50051/tcp"])
def test_port_that_is_neither_a_port_nor_a_link_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITFORGE_PORT", value)
    with pytest.raises(SettingsRefusedError, match="port = "):
        Settings.load([])


def test_variables_of_the_client_are_not_the_servers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DIGITFORGE_CLIENT_ADDRESS", "digits.example:50051")
    monkeypatch.setenv("DIGITFORGE_CLIENT_TIMEOUT_S", "5")
    assert Settings.load([]) == Settings()
    assert not caplog.messages


def test_unknown_key_of_the_file_is_refused_by_its_name(file: Path) -> None:
    file.write_text("max_batch_size = 3")
    with pytest.raises(SettingsRefusedError, match="max_batch_size = 3: no such setting is known"):
        Settings.load(["--config", str(file)])


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("port", "70000", "65535"),
        ("port", "-1", "0"),
        ("threads", "-1", "0"),
        ("workers", "-1", "0"),
        ("variant", "int4", "'fp32', 'fp16' or 'int8'"),
        ("max_batch_rows", "0", "1"),
        ("max_batch_rows", "1048577", "1048576"),
        ("max_queue_rows", "0", "1"),
        ("max_delay_ms", "10001", "10000"),
        ("max_images", "0", "1"),
        ("max_stream_images", "4294967296", "4294967296"),
        ("stream_chunk_images", "0", "1"),
        ("max_request_bytes", "1023", "1024"),
        ("grace_s", "-0.5", "0"),
        ("hang_s", "3601", "3600"),
        ("keepalive_s", "inf", "2000000"),
        ("max_connection_age_s", "2000001", "2000000"),
        ("max_queue_rows", "2147483648", "2147483648"),
        ("device", "tpu", "'auto', 'cpu' or 'cuda'"),
    ],
)
def test_value_out_of_bounds_is_refused_with_field_value_and_limit_wherever_it_stands(
    field: str, value: str, limit: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(arguments: list[str]) -> str:
        with pytest.raises(SettingsRefusedError) as refused:
            Settings.load(arguments)
        return str(refused.value)

    messages = [refusal([f"--{field.replace('_', '-')}={value}"])]
    file.write_text(f"{field} = {value if field not in ('device', 'variant') else repr(value)}")
    messages.append(refusal(["--config", str(file)]))
    monkeypatch.setenv(f"DIGITFORGE_{field.upper()}", value)
    messages.append(refusal([]))
    for message in messages:
        assert message.startswith(f"{field} = ")
        assert value in message.partition(":")[0]
        assert limit in message.partition(":")[2]
        assert "\n" not in message


@pytest.mark.parametrize("version", ["0", "-1", "4294967296", "99999999999999999999"])
def test_version_that_no_message_can_name_is_refused_with_the_limit(version: str) -> None:
    with pytest.raises(SettingsRefusedError, match=rf"^versions\.1 = '{version}': .* (1|4294967295)$"):
        Settings.load([f"--versions=3,{version}"])
    assert Settings.load(["--versions=1,4294967295"]).versions == [1, 4294967295]


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(SettingsRefusedError) as refused:
        Settings.load(["--port", "x", "--threads", "-1"])
    assert "port" in str(refused.value)
    assert "threads" in str(refused.value)


def test_file_that_is_not_there_or_no_toml_is_refused(file: Path) -> None:
    for content in (None, b"port =", b"\xff"):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(SettingsRefusedError, match=r"config = .*digitforge\.toml.*--config.*DIGITFORGE_CONFIG"):
            Settings.load(["--config", str(file)])


def test_every_setting_is_explained_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        Settings.load(["--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert field.description
        assert field.description in text
        if field.default not in (None, []):
            assert f"{field.description} (default: {field.default})" in text


def test_help_tells_values_as_people_write_them_and_the_variables(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Settings.load(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for value in ("--config FILE", "--port N", "--versions N,N", "--device {auto,cpu,cuda}"):
        assert value in text
    for word in ("int]", "Path", " str", "default: None", "default: []"):
        assert word not in text
    assert "DIGITFORGE_MAX_IMAGES" in text


def test_versions_of_a_variable_are_parted_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITFORGE_VERSIONS", "3,4")
    assert Settings.load([]).versions == [3, 4]


@pytest.mark.parametrize("name", ["max-images", "stream-chunk-images"])
def test_queue_without_room_for_one_call_is_refused(name: str) -> None:
    field = name.replace("-", "_")
    with pytest.raises(SettingsRefusedError, match=rf"max_queue_rows = 5000 is less than {field} = 6000"):
        Settings.load(["--max-queue-rows", "5000", f"--{name}", "6000"])


@pytest.mark.parametrize("workers", ["auto", "2"])
def test_grpcio_serves_a_unix_socket_by_one_worker_alone(workers: str) -> None:
    flags = ["--host", "unix:/run/digits", "--workers"]
    with pytest.raises(SettingsRefusedError, match=rf"workers = {workers}: by transport = grpcio a Unix socket has 1"):
        Settings.load(["--transport", "grpcio", *flags, workers])
    assert Settings.load(["--transport", "grpcio", *flags, "1"]).workers == 1
    assert Settings.load([*flags, "2"]).workers == 2
