"""`recnn encode-corpus`: the trees and vectors of all sentences of a corpus, in Parquet files."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recnn.commands.common import Failures, counted, fail, out, terminable
from recnn.commands.predict import ModelParser
from recnn.data.workers import workers
from recnn.encoding.formats import RecordColumns
from recnn.encoding.inputs import COLUMNS, FileFormat, corpus_files
from recnn.errors import missing_extra

if TYPE_CHECKING:
    from recnn.encoding.shards import Engine

INPUT, RUN = "Input", "Run"
_SHOWN = 10  # errors of rows; the others are counted


def encode_corpus(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files of sentences or trees, folders of them, or addresses such as s3://bucket/name.parquet.",
        ),
    ],
    folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder for the Parquet files.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of a model of sentences, or of its training run. \\[default: a small model of sentiment]",
        ),
    ] = None,
    parser: ModelParser = None,
    nodes: Annotated[bool, typer.Option("--nodes", help="Write the vectors of all nodes, too.")] = False,
    format: Annotated[
        FileFormat | None,
        typer.Option(help="Format of the files. \\[default: by the end of the name]", rich_help_panel=INPUT),
    ] = None,
    column: Annotated[
        str, typer.Option(help="Column of the sentences, in JSONL, CSV, TSV or Parquet.", rich_help_panel=INPUT)
    ] = "text",
    id: Annotated[
        str | None,
        typer.Option(help="Column of the ids of the rows. \\[default: their numbers, from 0]", rich_help_panel=INPUT),
    ] = None,
    trees: Annotated[
        bool, typer.Option("--trees", help="The column has trees in brackets, not sentences.", rich_help_panel=INPUT)
    ] = False,
    tokens: Annotated[
        bool,
        typer.Option(
            "--tokens", help="Sentences are tokens already: split them at blanks only.", rich_help_panel=INPUT
        ),
    ] = False,
    shard_size: Annotated[int, typer.Option(min=1, help="Rows of a file.", rich_help_panel=RUN)] = 16_384,
    shard: Annotated[
        str,
        typer.Option(
            metavar="I/N", help="Make only the I-th of N shares of the files, for a batch system.", rich_help_panel=RUN
        ),
    ] = "1/1",
    number: Annotated[
        int, typer.Option("--workers", min=1, help="Number of processes, each with one thread.", rich_help_panel=RUN)
    ] = 1,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Where the processes are: on this machine, or on a Ray cluster.", rich_help_panel=RUN),
    ] = "local",
) -> None:
    """Parse and encode all sentences of files of any size, and write their trees and vectors to Parquet files.

    The formats are text with one sentence per line (.txt), JSONL, CSV, TSV, Parquet, trees in brackets (.mrg, .trees)
    and CoNLL-U; all but Parquet may be in gzip (.gz). The rows are in the order of the input and have the columns id,
    text, tree, vector and error. A record that is wrong is a row with an error; the errors are counted at the end, and
    the exit status is 1.

    If the command ends early, the same command continues: files that are complete are left as they are. The result is
    the same for any number of processes.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_extra(error, "corpus") from None
    files = corpus_files(inputs, format)
    columns = RecordColumns(column, id, trees)
    if columns != RecordColumns() and not any(file.format in COLUMNS for file in files):
        raise typer.BadParameter("only for JSONL, CSV, TSV and Parquet", param_hint="--column, --id, --trees")
    from recnn.encoding.rows import RowSettings
    from recnn.encoding.shards import EncodingJob, encode_shards

    rows = RowSettings(None if model is None else str(model.resolve()), parser, tokens, nodes)
    job = EncodingJob(files, columns, rows, shard_size)
    with terminable("the same command continues"), Failures() as failures:
        total, written = encode_shards(job, folder, _engine(engine, number), _share(shard))
        with closing(written), _progress(total) as done:
            for some in written:
                for message in some.messages[: max(0, _SHOWN - failures.count)]:
                    fail(message)
                failures.count += some.errors
                done(some.number, some.before)
        found = f", {failures.count:,} of them with an error" if failures.count else ""
        out.print(f"{folder}: {counted(total, 'row')}{found}")


def _share(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", text)
    if found is None or int(found[1]) > int(found[2]):
        raise typer.BadParameter(f"expected I/N, such as 1/8, got {text!r}", param_hint="--shard")
    return int(found[1]), int(found[2])


def _engine(name: str, number: int) -> Engine:
    if name == "local":
        return partial(workers, number=number)
    from recnn.ray import check_installed, ray_workers

    check_installed()
    return partial(ray_workers, number=number)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int, bool], None]]:
    """Yield a function that moves a progress bar on by some rows, on standard error if that is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    shown = TextColumn("{task.completed:,.0f} of {task.total:,.0f} sentences, {task.fields[rate]:,.0f}/s, left")
    columns = BarColumn(), TaskProgressColumn(), shown, TimeRemainingColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=total, rate=0)

        def done(number: int, before: bool) -> None:
            nonlocal total
            if before:  # which says nothing about the speed
                total -= number
                bar.update(task, total=total)
            else:
                bar.advance(task, number)
            bar.update(task, rate=bar.tasks[task].speed or 0)

        yield done
