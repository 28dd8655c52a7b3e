"""Settings of a training run, from the file ``run.json`` in its folder."""

import json
from pathlib import Path
from typing import Any

from recnn.errors import RunError


def read_run(out: str | Path) -> dict[str, Any]:
    """Read the settings of a run, the content of ``run.json``.

    Args:
        out: folder of the run.

    Raises:
        RunError: the folder has no ``run.json``, or it is malformed.
        OSError: the file cannot be read.
    """
    path = Path(out) / "run.json"
    if not path.is_file():
        raise RunError(f"{out}: there is no run to resume (no run.json)")
    try:
        run = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: {(str(error) or 'not valid JSON').splitlines()[0]}") from None
    if isinstance(run, dict) and "options" in run:  # of version 0.1
        run["training"] = run.pop("options")
    if not isinstance(run, dict) or not isinstance(run.get("training"), dict):
        raise RunError(f"{path}: expected an object with the settings of a training run")
    return run


def settings_of_data(folder: Path) -> dict[str, Any] | None:
    """Read the data settings of a run; None if there is no run.

    Args:
        folder: folder of the run, or of a model in it.

    Raises:
        RunError: ``run.json`` is malformed.
        OSError: the file cannot be read.
    """
    run = next((path for path in (folder, folder.parent) if (path / "run.json").is_file()), None)
    if run is None:
        return None
    try:
        settings = read_run(run)["settings"]["data"]
    except (KeyError, TypeError):
        settings = None
    if not isinstance(settings, dict):
        raise RunError(f"{run / 'run.json'}: it has no settings of the data")
    return settings
