"""What a run was asked for, as its folder says: ``run.json``."""

import json
from pathlib import Path
from typing import Any

from recnn.errors import RunError


def read_run(out: str | Path) -> dict[str, Any]:
    """What a run was asked for.

    Raises:
        RunError: the folder has no run, or its ``run.json`` is malformed.
        OSError: it cannot be read.
    """
    path = Path(out) / "run.json"
    if not path.is_file():
        raise RunError(f"{out}: there is no run to resume (no run.json)")
    try:
        run = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: {(str(error) or 'no JSON').splitlines()[0]}") from None
    if not isinstance(run, dict) or not isinstance(run.get("training"), dict):
        raise RunError(f"{path}: expected the settings of a training run")
    return run


def settings_of_data(folder: Path) -> dict[str, Any] | None:
    """What the run of a model, or the run itself, was told of its data; None if the model has no run.

    Raises:
        RunError: ``run.json`` is malformed.
        OSError: it cannot be read.
    """
    run = next((path for path in (folder, folder.parent) if (path / "run.json").is_file()), None)
    if run is None:
        return None
    try:
        settings = read_run(run)["settings"]["data"]
    except (KeyError, TypeError):
        settings = None
    if not isinstance(settings, dict):
        raise RunError(f"{run / 'run.json'}: it does not say what data the run had")
    return settings
