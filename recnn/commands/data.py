"""`recnn data`: list or download published corpora."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from corpora.downloads import DOWNLOADS, Download, download
from recnn.commands.common import out


def data(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help=f"Corpus: {', '.join(DOWNLOADS)}.")] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to download to; created if it does not exist.")
    ] = None,
) -> None:
    """List or download published corpora.

    Without a name, the corpora are listed. A corpus is downloaded from its publisher, its SHA-256 checksum is verified,
    and archives are unpacked. An interrupted download continues at the next call. If the publisher cannot be reached,
    put the file into the folder by hand and call the command again. No other command downloads anything.
    """
    if name is None:
        if to is not None:
            raise typer.BadParameter("--to needs the name of a corpus", param_hint="NAME")
        for record in DOWNLOADS.values():
            out.print(_described(record))
        return
    if name not in DOWNLOADS:
        raise typer.BadParameter(f"no corpus {name!r}, expected one of {', '.join(DOWNLOADS)}", param_hint="NAME")
    if to is None:
        raise typer.BadParameter("give the folder to download to", param_hint="--to")
    if sys.stderr.isatty():
        _with_bar(DOWNLOADS[name], to)
    else:
        download(name, to, out.print)
    out.print(f"licence: {DOWNLOADS[name].licence}; cite: {DOWNLOADS[name].citation}")


def _with_bar(record: Download, to: Path) -> None:
    bar = Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # redirected lines would be printed on standard error
    )

    def say(line: str) -> None:
        bar.stop()  # the first line comes after the transfer
        out.print(line)

    with bar:
        task = bar.add_task(record.name, total=record.size)
        download(record, to, say, lambda done, total: bar.update(task, completed=done, total=total))


def _described(record: Download) -> str:
    size = "size not stated" if record.size is None else f"{record.size:,} bytes"
    lines = (f"{record.name}: {', '.join(record.files)}", record.url, f"{size}, licence: {record.licence}")
    return "\n    ".join((*lines, record.citation))
