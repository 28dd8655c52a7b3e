"""Import of DGL, on the first use of one of its names: ``_dgl.graph``, ``_dgl.DGLGraph``, ...

DGL has had no release since 2024. Version 1.1.3 can be imported with a current torch if `packaging` is installed.
Version 2.1.0, the only wheel for Python 3.12, loads a `dgl.graphbolt` library built for one old torch; it is not used
here, so an empty module replaces it. DGLBACKEND is set because without it the import of DGL prints to standard error
and writes ~/.dgl/config.json.
"""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dgl import DGLGraph as DGLGraph

_WHEELS = "DGL has wheels for Python 3.11 (1.1.3) and 3.12 (2.1.0)"

os.environ.setdefault("DGLBACKEND", "pytorch")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    globals()[name] = found = getattr(_imported(), name)
    return found


def structure(graph: Any) -> object:
    """Return the object that DGL replaces whenever nodes or edges of ``graph`` are added or removed."""
    return graph._graph


def _imported() -> ModuleType:
    try:
        release = version("dgl")
    except PackageNotFoundError:
        raise ImportError(
            f"recnn needs dgl for its graphs, which is not installed. {_WHEELS}; this is Python "
            f"{sys.version_info.major}.{sys.version_info.minor}: make an environment with one of those, "
            "e.g. `python3.11 -m venv .venv`, and install recnn there."
        ) from None
    try:
        import dgl
    except (ImportError, FileNotFoundError, OSError) as error:
        # A failed import leaves half of dgl in sys.modules, with which a second attempt would fail too.
        for name in [name for name in sys.modules if name == "dgl" or name.startswith("dgl.")]:
            del sys.modules[name]
        sys.modules["dgl.graphbolt"] = ModuleType("dgl.graphbolt")
        try:
            import dgl
        except Exception:
            raise ImportError(f"dgl {release} cannot be imported with this torch: {error}. {_WHEELS}.") from error
    return dgl  # type: ignore[no-any-return]
