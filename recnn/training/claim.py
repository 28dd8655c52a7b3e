"""The folder of a run, which one process at a time trains in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from corpora.locks import LockedError, locked
from corpora.parts import sweep
from recnn.errors import RunError
from recnn.models.folder import recover

MODELS = ("initial", "best", "last")
FILES = ("run.json", "metrics.csv", "curves.png", "resume.ckpt", "examples.safetensors")


class Claim:
    """A folder that this process holds.

    Args:
        out: the folder.
        descriptor: file descriptor of the folder.
    """

    def __init__(self, out: Path, descriptor: int) -> None:
        self.out, self._descriptor = out, descriptor

    def check(self, *models: str) -> None:
        """Check that the folder and the ``models`` in it are still there.

        Raises:
            RunError: they were removed or replaced.
        """
        with suppress(FileNotFoundError):
            same = os.path.samestat(os.fstat(self._descriptor), os.stat(self.out))
            if same and all((self.out / name).is_file() for name in ("run.json", *(f"{m}/model.json" for m in models))):
                return
        raise RunError(f"{self.out}: the folder of the run, or a file in it, was removed while the run was training")


@contextmanager
def claimed(out: Path) -> Iterator[Claim]:
    """Hold the folder of a run, and remove temporary files of runs that were killed.

    The folder is created if there is none, and removed at the end if it is empty. The claim ends with the process.

    Raises:
        RunError: another process holds the folder.
        OSError: the folder cannot be created or read.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out) as descriptor:
            for name in MODELS:
                recover(out / name)
            for name in FILES:
                sweep(out / name, gone=False)
            yield Claim(out, descriptor)
    except LockedError:
        raise RunError(f"{out}: another process is training in this folder") from None
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
