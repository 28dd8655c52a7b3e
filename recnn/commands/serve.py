"""`recnn serve`: a page that shows what models make of a sentence."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from parsers.errors import InputError
from recnn.commands.common import OnDevice, out
from recnn.errors import missing_extra

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="Folder of a model of trees or sentences, or of its training run. Repeatable. "
            "\\[default: two small models of sentiment, over trees and over words]",
        ),
    ] = None,
    parser: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PARSER",
            help="Parser that can be chosen, see `recnn parse`. Repeatable. "
            "\\[default: duck, telescope, english, right, left, balanced]",
        ),
    ] = None,
    phrases: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File of trees with the phrases to compare with. \\[default: the bundled treebank]"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8000,
    max_words: Annotated[int, typer.Option(min=1, max=1000, help="Largest number of words of a sentence.")] = 100,
    max_requests: Annotated[int, typer.Option(min=1, help="Largest number of requests at once.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Largest number of sentences that are computed together.")] = 16,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for an answer.")] = 10.0,
    device: OnDevice = "cpu",
) -> None:
    """Open a page that shows what models make of a sentence.

    The page shows all readings of a sentence as coloured trees, the prediction and the nearest phrases of each phrase,
    and networks over trees and over words side by side. Its address has the sentence. /reference describes the
    endpoints, which return JSON. Ctrl-C ends the server after the requests that are being answered.

    Only this machine can open the page, unless --host is another address. There is no password.
    """
    try:
        import uvicorn

        from recnn.serve.app import Limits, make_app
        from recnn.serve.catalogue import PARSERS, Catalogue
    except ModuleNotFoundError as error:
        raise missing_extra(error, "serve") from None
    from recnn.graphs.devices import chosen_device

    place = str(chosen_device(device))
    with _listening(host, port) as listener:
        catalogue = Catalogue(models or (), parser or PARSERS, phrases, place, timeout / 4)
        limits = Limits(max_words, max_requests, batch, timeout)
        hosts = ("localhost", "127.0.0.1", "[::1]") if host in _LOOPBACK else ()
        app = make_app(catalogue, limits, hosts)
        address = f"[{host}]" if ":" in host else host
        out.print(f"http://{address}:{listener.getsockname()[1]}/ (Ctrl-C ends the server)")
        sys.stdout.flush()
        settings = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=int(timeout) + 1, lifespan="on", ws="none"
        )
        with _signals_left_to_the_server():
            uvicorn.Server(settings).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        InputError: there is no such address, or the port is taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except socket.gaierror as error:
        raise InputError(f"cannot listen on {host}: {error.strerror}") from None
    except OSError as error:
        hint = "; choose another --port" if error.errno == errno.EADDRINUSE else ""
        raise InputError(f"cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}{hint}") from None


@contextmanager
def _signals_left_to_the_server() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM, which the server takes while it runs, and sends once more when it has ended."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
