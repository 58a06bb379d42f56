"""The page's command line: `digitforge-page`."""

import argparse
import re
import sys
from contextlib import ExitStack
from importlib.metadata import version as package_version

from digitforge.commands.options import add_server, seconds, whole
from digitforge.connection import Endpoint
from digitforge.errors import UnreachableError
from digitforge.extras import require
from page.app import build_app
from page.beside import ServerEndedError, server_beside
from page.settings import Settings
from page.web_server import PortError, WebServer, listen, url_of

FAILED, USAGE = 1, 2
ORIGIN = re.compile(r"https?://[^/\s]+")


def main(arguments: list[str] | None = None) -> int:
    """Show the page until interrupted; the exit code: 0 stopped cleanly, 1 failed, 2 wrong options."""
    parser = build_parser()
    settings = settings_of(parser.parse_args(arguments))
    if settings.allow_training:
        require("train", "digitforge-page --allow-training")
    try:
        endpoint = Endpoint.of(settings.address, settings.timeout_s)
        if settings.with_server and len(endpoint.addresses) > 1:
            parser.error("--with-server starts one server: give one --address")
        return show(settings, endpoint)
    except ValueError as error:  # of the variable
        print(f"digitforge-page: {error}", file=sys.stderr)
        return USAGE
    except (PortError, UnreachableError) as error:
        print(f"digitforge-page: {error}", file=sys.stderr)
        return FAILED
    except ServerEndedError:  # it has said why
        return FAILED


def show(settings: Settings, endpoint: Endpoint) -> int:
    """Show the page, and with it a server where that is wanted; the exit code.

    Raises:
        PortError: The page's port cannot be had.
        ServerEndedError: The server does not start.
        UnreachableError: One of several names of servers is not known.
    """
    endpoint.target  # noqa: B018  (which is looked up)
    with listen(settings.host, settings.port) as listener, ExitStack() as ending:
        web = WebServer(build_app(settings))
        has_ended = False
        if settings.with_server:

            def end_with_server() -> None:
                nonlocal has_ended
                has_ended = web.should_exit = True
                print("digitforge-page: the server has ended, and the page ends with it", file=sys.stderr)

            ending.enter_context(server_beside(endpoint.addresses[0])).watch(end_with_server)
        version, asked = package_version("digitforge"), " or ".join(endpoint.addresses)
        print(
            f"digitforge {version} shows its page at {url_of(listener)} for the server at {asked} (Ctrl-C to stop)",
            flush=True,
        )
        web.serve_on(listener)
        return FAILED if has_ended else 0


def settings_of(options: argparse.Namespace) -> Settings:
    """What the options say."""
    return Settings(
        address=tuple(options.address) if options.address else None,
        with_server=options.with_server,
        timeout_s=options.timeout_s,
        host=options.host,
        port=options.port,
        allow_training=options.allow_training,
        allowed_hosts=tuple(options.allowed_host),
        allowed_origins=tuple(options.allowed_origin),
    )


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="digitforge-page",
        description="A page of digits for browsers, beside a server of them.",
        epilog="exit codes: 0 stopped, 1 failed, 2 wrong options",
    )
    parser.add_argument("--version", action="version", version=f"digitforge {package_version('digitforge')}")
    add_server(parser)
    parser.add_argument(
        "--with-server", action="store_true", help="start a server at that address too, which ends with the page"
    )
    parser.add_argument(
        "--timeout-s",
        type=seconds,
        default=Settings.timeout_s,
        metavar="N",
        help=f"seconds that a call of the server is given (default: {Settings.timeout_s:g})",
    )
    parser.add_argument(
        "--host", default=Settings.host, help=f"address on which the page listens (default: {Settings.host})"
    )
    parser.add_argument(
        "--port",
        type=whole(0, 65535),
        default=Settings.port,
        metavar="N",
        help=f"its port, 0: a free one (default: {Settings.port})",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which the page may be asked for, beside localhost and IP addresses (may be given again)",
    )
    parser.add_argument(
        "--allowed-origin",
        action="append",
        default=[],
        type=origin,
        metavar="URL",
        help="another site whose scripts may ask the page, such as https://example.org (may be given again)",
    )
    parser.add_argument("--allow-training", action="store_true", help="let visitors start the trainer on this machine")
    return parser


def origin(text: str) -> str:
    """The type of `--allowed-origin`."""
    if not ORIGIN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no origin: one is SCHEME://HOST or SCHEME://HOST:PORT")
    return text
