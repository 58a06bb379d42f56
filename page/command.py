"""The page's command line: `digitforge-page`."""

import argparse
import socket
import sys
from importlib.metadata import version as package_version

import uvicorn

from digitforge.commands.options import add_address, whole
from page.app import build_app
from page.settings import Settings

FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Show the page until interrupted; the exit code: 0 stopped cleanly, 1 failed, 2 wrong options."""
    options = build_parser().parse_args(arguments)
    settings = Settings(
        address=tuple(options.address) if options.address else None,
        host=options.host,
        port=options.port,
        allow_training=options.allow_training,
    )
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        print(f"digitforge-page: {settings.host}:{settings.port}: {error.strerror}", file=sys.stderr)
        return FAILED
    host, port = listener.getsockname()[:2]
    print(f"digitforge {package_version('digitforge')} shows its page at http://{host}:{port} (Ctrl-C to stop)")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(build_app(settings), log_level="warning")).run(sockets=[listener])
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: It cannot be had.
    """
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024)


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="digitforge-page", description="A page of digits, beside a server of them.")
    parser.add_argument("--version", action="version", version=f"digitforge {package_version('digitforge')}")
    add_address(parser)
    parser.add_argument("--host", default="127.0.0.1", help="where the page listens (default: 127.0.0.1)")
    parser.add_argument("--port", type=whole(0, 65535), default=8080, help="0: one that is free (default: 8080)")
    parser.add_argument("--with-server", action="store_true", help="start digitforge-serve too, at --address")
    parser.add_argument("--allow-training", action="store_true", help="let visitors start the trainer on this machine")
    return parser
