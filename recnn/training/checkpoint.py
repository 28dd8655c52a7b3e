"""The checkpoint of a training run, with a digest, so that no run goes on from weights that are not its own.

A checkpoint is a zip archive, as `torch.save` writes it. The digest is the comment at its end, so `torch.load` reads
the file. It is the SHA-256 hash of the settings and data of the run and of all other bytes of the file.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from corpora.text import replacing
from recnn.errors import RunError

MAY_CHANGE = ("epochs", "devices")
"""Settings of the training that may differ when it is resumed."""
_LENGTH = hashlib.sha256().digest_size * 2  # hexadecimal digits


class CheckpointFile(TorchCheckpointIO):
    """Lightning's writer and reader of the checkpoint of one run.

    Args:
        run: settings of the model and the training, and hashes of the data; what `MAY_CHANGE` names may change.
    """

    def __init__(self, run: Mapping[str, Mapping[str, Any]]) -> None:
        fixed = {
            part: {name: value for name, value in run[part].items() if part != "training" or name not in MAY_CHANGE}
            for part in ("model", "training", "digest")
        }
        self._key = json.dumps(fixed, sort_keys=True).encode()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; if that fails, the previous file is left unchanged.

        Raises:
            OSError: the file cannot be written.
        """
        buffer = io.BytesIO()  # as torch reports no cause if a file cannot be written
        torch.save(checkpoint, buffer)
        content = buffer.getbuffer()[:-2]  # all but the length of the comment, 0
        with replacing(path) as part, open(part, "xb") as file:
            file.write(content)
            file.write(_LENGTH.to_bytes(2, "little") + self._digest(content))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Read the checkpoint, as tensors, numbers and text; no code is executed.

        Raises:
            RunError: the file is not what `save_checkpoint` has written for this run.
            OSError: the file cannot be read.
        """
        raw = Path(path).read_bytes()
        content, digest = memoryview(raw)[: -_LENGTH - 2], raw[-_LENGTH:]
        if self._digest(content) != digest:
            problem = "damaged, altered, from another run, or from another version of recnn"
            raise RunError(f"{path}: not a checkpoint as this run writes it: {problem}")
        found: dict[str, Any] = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
        return found

    def _digest(self, content: memoryview) -> bytes:
        digest = hashlib.sha256(self._key)
        digest.update(content)
        return digest.hexdigest().encode()
