"""Registry of cells by name, for ``--cell`` and the configuration of a model.

A name belongs to a cell of this package, to a class that the program has defined (``class MyCell(Cell, name="mine")``),
or to an entry point of an installed package:

    [project.entry-points."recnn.cells"]
    mine = "my_package.cells:MyCell"
"""

from importlib import import_module
from importlib.metadata import entry_points

from recnn.cells.base import Cell

_GROUP = "recnn.cells"


def cell_names() -> list[str]:
    """Return the names of all cells that `cell_class` finds, sorted."""
    _import_own()
    return sorted({*Cell.registry, *(point.name for point in entry_points(group=_GROUP))})


def cell_class(name: str) -> type[Cell]:
    """Return the class of the cell called ``name``.

    Raises:
        ValueError: there is no such cell; or the entry point of that name cannot be imported, or is not a cell.
    """
    _import_own()
    if name in Cell.registry:
        return Cell.registry[name]
    for point in entry_points(group=_GROUP, name=name):
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise ValueError(f"the cell {name!r} of {point.value} cannot be imported: {error}") from None
        if not (isinstance(found, type) and issubclass(found, Cell)):
            raise ValueError(f"the cell {name!r} of {point.value} is not a subclass of recnn.Cell")
        return found
    raise ValueError(f"{name!r} is not one of {', '.join(cell_names())}")


def _import_own() -> None:
    """Import all cells of this package, which are imported lazily and registered only then."""
    face = import_module("recnn.cells")
    for name in face.__all__:
        getattr(face, name)
