"""The server's settings: one typed object from flags, the environment and a file, in this order of precedence.

Every field is a flag (`--max-batch-rows`), a variable (`DIGITFORGE_MAX_BATCH_ROWS`) and a key of the TOML file that
`--config` or `DIGITFORGE_CONFIG` names (`max_batch_rows`). Unknown keys are refused everywhere; the client's variables
(`DIGITFORGE_CLIENT_...`) and those that Kubernetes sets are no settings.
"""

import argparse
import logging
import os
import re
from collections.abc import Mapping
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from digitforge.pictures.sizes import MAX_PIXELS, RAW_BYTES
from digitforge.version_numbers import FIRST, LAST
from serving.address import UNIX

log = logging.getLogger(__name__)
PREFIX = "DIGITFORGE_"
CLIENTS = f"{PREFIX}CLIENT_"
# What Kubernetes sets in every pod for a service that is called digitforge, or digitforge-something: of its names, one
# may be that of a setting, and is told from it by the value.
SERVICE_LINK = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
SERVICE_LINK_PORT = re.compile(rf"{PREFIX}(\w+_)?PORT")
SERVICE_URL = re.compile(r"(tcp|udp|sctp)://.*")
MAX_ROWS = 2**20
LONGEST_S = 2_000_000  # in milliseconds it is still a C int, which grpcio's options are
SOURCES = (
    "Every option is also a variable (--max-images: DIGITFORGE_MAX_IMAGES) and a key of the file that --config names "
    "(max_images). An option goes before a variable, a variable before the file."
)
METAVARS = {
    "config": "FILE",
    "host": "HOST",
    "model_repository": "DIR",
    "versions": "N,N",
}  # the others': N, or the choices


def _auto(value: Any) -> Any:
    return 0 if value == "auto" else value


class SettingsRefusedError(Exception):
    """A setting that is unknown or whose value it cannot have; the message says which, in a line."""


def _is_service_link(name: str, value: str | None) -> bool:
    if SERVICE_LINK.fullmatch(name):
        return True
    return bool(SERVICE_LINK_PORT.fullmatch(name) and SERVICE_URL.fullmatch(value or ""))


class _Environment(EnvSettingsSource):
    """The variables but for those of Kubernetes."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        variables = super()._load_env_vars()
        return {name: value for name, value in variables.items() if not _is_service_link(name.upper(), value)}


class _ConfigFile(TomlConfigSettingsSource):
    """The file that a source of higher precedence names."""

    def __call__(self) -> dict[str, Any]:
        path = self.current_state.get("config")
        if not path:
            return {}
        try:
            return self._read_file(Path(path))
        except (OSError, ValueError) as error:  # a ValueError where it is no TOML
            reason = error.strerror if isinstance(error, OSError) else error
            raise SettingsRefusedError(f"config = {str(path)!r} (--config or {PREFIX}CONFIG): {reason}") from error


class Settings(BaseSettings):
    """Serve digits over gRPC."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    config: Path | None = Field(None, description="TOML file with settings")

    # Where
    host: str = Field(
        "127.0.0.1", description="address to listen on; 0.0.0.0 or :: for every interface; unix:PATH for a Unix socket"
    )
    port: int = Field(50051, ge=0, le=65535, description="port to listen on; 0: a free one, which the log names")

    # What
    model_repository: Path | None = Field(
        None,
        description="folder of the models; absent: artifacts/models or models, where it holds a version, else the "
        "installed pair",
    )
    versions: Annotated[list[Annotated[int, Field(ge=FIRST, le=LAST)]], NoDecode] = Field(
        [],
        description="versions to serve of every model, such as 3,4; none given: as its config.pbtxt says, else the "
        "highest",
    )
    strict: bool = Field(False, description="serve nothing where any model of the repository cannot be served")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a CUDA GPU where one works, else the CPU")
    variant: Literal["fp32", "fp16", "int8"] = Field(
        "fp32",
        description="fp32: model.onnx; else model.fp16.onnx (for GPUs) or model.int8.onnx (for CPUs) beside it, where "
        "it was exported; never chosen unasked, since its pixels differ",
    )
    threads: int = Field(
        0, ge=0, le=1024, description="threads of one model's inference on the CPU; 0: the cores, shared by the workers"
    )
    workers: Annotated[int, BeforeValidator(_auto)] = Field(
        0, ge=0, le=1024, description="processes that share the port; 0 or auto: one a core, or one for a GPU"
    )

    picture_processes: Annotated[int, BeforeValidator(_auto)] = Field(
        0,
        ge=0,
        le=64,
        description="processes that decode pictures for all workers; 0 or auto: one for two cores, from 2 to 8",
    )

    transport: Literal["http2", "grpcio"] = Field(
        "http2",
        description="who speaks gRPC: http2, this server's own layer, or grpcio's server, see docs/transports.md",
    )

    # How much
    max_batch_rows: int = Field(256, ge=1, le=MAX_ROWS, description="images in one batch of a model")
    max_queue_rows: int = Field(
        65_536, ge=1, lt=2**31, description="images that may wait for a model before callers are refused"
    )
    max_delay_ms: float | None = Field(
        None,
        ge=0,
        le=10_000,
        description="how long a batch that is not full waits for more; absent: as a model's config.pbtxt says, else 0",
    )
    max_images: int = Field(4096, ge=1, le=MAX_ROWS, description="images in one answer of Generate")
    max_stream_images: int = Field(10_000_000, ge=1, lt=2**32, description="images of one GenerateStream")
    stream_chunk_images: int = Field(512, ge=1, le=MAX_ROWS, description="images in one message of GenerateStream")
    max_image_pixels: int = Field(
        MAX_PIXELS, ge=RAW_BYTES, le=2**27, description="width times height of a picture to score"
    )
    max_picture_s: float = Field(
        5, gt=0, le=3600, description="seconds of processor time that the decoding of a picture may take"
    )
    max_request_bytes: int = Field(16 * 2**20, ge=1024, lt=2**31, description="size of one request message")

    compression: Literal["none", "gzip"] = Field(
        "none",
        description="of answers, where the caller accepts it; digits hardly shrink by it, and it costs much time",
    )

    # Connections: of seconds, 0 is no limit
    max_connections: int = Field(
        0, ge=0, lt=2**31, description="connections of one worker; 0: as many as the system lets it have files open"
    )
    max_connection_streams: int = Field(100, ge=1, le=4096, description="calls of one connection at a time")
    max_connection_age_s: float = Field(
        0,
        ge=0,
        le=LONGEST_S,
        description="after which a connection is told to go, give or take a tenth, so that clients spread anew",
    )
    max_connection_age_grace_s: float = Field(
        60, ge=0, le=LONGEST_S, description="seconds that its calls in flight are given then"
    )
    max_connection_idle_s: float = Field(
        300, ge=0, le=LONGEST_S, description="seconds that a connection may be without a call"
    )
    handshake_s: float = Field(
        10, ge=0, le=LONGEST_S, description="seconds within which a connection has to speak HTTP/2"
    )
    keepalive_s: float = Field(
        7200, ge=0, le=LONGEST_S, description="seconds of silence after which a client is asked whether it is there"
    )
    keepalive_timeout_s: float = Field(20, gt=0, le=LONGEST_S, description="seconds that its answer may take")
    min_ping_interval_s: float = Field(
        300,
        ge=0,
        le=LONGEST_S,
        description="seconds between pings of a client that is sent nothing; sooner is too soon",
    )
    max_ping_strikes: int = Field(
        2,
        ge=0,
        lt=2**31,
        description="pings too soon that are let pass; one more ends the connection; 0: any number is",
    )
    max_resets_per_s: int = Field(
        2000, ge=1, le=1_000_000, description="calls that a connection may cancel a second; ten times as many at once"
    )

    # Seen from outside
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port for HTTP with /metrics, /livez and /readyz, on the same host; 0: a free one, which the log "
        "names; absent: none",
    )
    access_log: Literal["off", "errors", "all"] = Field(
        "errors", description="which calls have a line on standard error: none, those that failed, or all"
    )
    log_format: Literal["text", "json"] = Field("text", description="of all lines: for people, or for machines")

    # The end
    hang_s: float = Field(
        30, ge=0, le=3600, description="seconds after which a worker that shows no life is replaced; 0: never"
    )
    grace_s: float = Field(
        10, ge=0, le=3600, description="seconds that calls in flight are given when a worker is to stop"
    )

    @field_validator("versions", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """`3,4` from a flag or a variable."""
        items = value if isinstance(value, list) else [value]
        return [part for item in items for part in (item.split(",") if isinstance(item, str) else [item])]

    @model_validator(mode="after")
    def _has_room_for_one_call(self) -> Self:
        for name in ("max_images", "stream_chunk_images"):
            if getattr(self, name) > self.max_queue_rows:
                raise ValueError(
                    f"max_queue_rows = {self.max_queue_rows} is less than {name} = {getattr(self, name)}: "
                    "no such call could ever be taken"
                )
        return self

    @model_validator(mode="after")
    def _can_be_listened_on(self) -> Self:
        if self.transport == "grpcio" and self.host.startswith(UNIX) and self.workers != 1:
            raise ValueError(
                f"workers = {self.workers or 'auto'}: by transport = grpcio a Unix socket has 1, since each would take "
                "it from the one before"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls), _ConfigFile(settings_cls)

    @classmethod
    def load(cls, arguments: list[str] | None = None) -> Self:
        """From the command line's arguments, the environment and the file.

        Raises:
            SettingsRefusedError: A key is unknown or a value out of bounds.
        """
        _check_environment({f"{PREFIX}{name.upper()}" for name in cls.model_fields})
        try:
            return cls(**vars(_build_parser(cls).parse_args(arguments)))
        except ValidationError as error:
            raise SettingsRefusedError("; ".join(map(_explain, error.errors()))) from error
        except SettingsError as error:
            raise SettingsRefusedError(str(error)) from error


def _check_environment(known: set[str]) -> None:
    """Raises SettingsRefusedError for a variable that looks like a setting and is none."""
    ours = sorted(name for name in os.environ if name.startswith(PREFIX) and not name.startswith(CLIENTS))
    links = [name for name in ours if _is_service_link(name, os.environ[name])]
    if links:
        log.warning("passed over as Kubernetes' links to services, and no settings: %s", ", ".join(links))
    if unknown := [name for name in ours if name not in known and name not in links]:
        raise SettingsRefusedError(f"{unknown[0]} is in the environment, but no such setting is known")


def _build_parser(settings: type[Settings]) -> argparse.ArgumentParser:
    """An option for each field. The values stay text, and what is not given is left out."""
    parser = argparse.ArgumentParser(
        prog="digitforge-serve", description=settings.__doc__, epilog=SOURCES, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"digitforge {package_version('digitforge')}")
    for name, field in settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        default = "" if field.default in (None, []) else f" (default: {field.default})"
        told = f"{field.description}{default}"
        if field.annotation is bool:
            yes_or_no = argparse.BooleanOptionalAction  # it has a --no- form as well
            parser.add_argument(flag, dest=name, action=yes_or_no, default=argparse.SUPPRESS, help=told)
            continue
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        parser.add_argument(
            flag,
            dest=name,
            action="append" if name == "versions" else "store",
            default=argparse.SUPPRESS,
            metavar=METAVARS.get(name, f"{{{','.join(choices)}}}" if choices else "N"),
            help=told,
        )
    return parser


def _explain(problem: Any) -> str:
    """One of pydantic's findings in a line."""
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ")
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":  # of the file: the others' names are known before
        return f"{name} = {problem['input']!r}: no such setting is known"
    return f"{name} = {problem['input']!r}: {problem['msg']}"
