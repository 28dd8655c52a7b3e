"""Convert all Python files of the standard library to trees of typed nodes and back.

    python benchmarks/standard_library.py [EVERY]

Only every EVERY-th file is converted, by default all. Printed are the numbers of files and nodes, the nodes per second
(parsing included), and the files whose syntax tree did not come back equal: from the tree, and from the source made of
it.
"""

import ast
import sys
import sysconfig
import time
import warnings
from pathlib import Path

from parsers.errors import TreeError
from recnn.trees import from_python, to_python
from recnn.trees.source import to_ast


def main() -> None:
    """Convert the files, and print the counts."""
    warnings.simplefilter("ignore")  # about escapes in strings of old files
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [path for path in sorted(root.rglob("*.py")) if "site-packages" not in path.parts]
    files = files[:: int(sys.argv[1]) if len(sys.argv) > 1 else 1]
    converted, nodes, seconds, different = 0, 0, 0.0, []
    for path in files:
        source = path.read_bytes()
        begin = time.perf_counter()
        try:
            tree = from_python(source)
        except TreeError as error:
            print(f"{path.relative_to(root)}: {error}")
            continue
        seconds += time.perf_counter() - begin
        converted, nodes = converted + 1, nodes + len(tree)
        expected = ast.dump(ast.parse(source))
        if ast.dump(to_ast(tree)) != expected or ast.dump(ast.parse(to_python(tree))) != expected:
            different.append(str(path.relative_to(root)))
    print(f"{converted:,} of {len(files):,} files, {nodes:,} nodes, {nodes / seconds:,.0f} nodes a second")
    print(f"{len(different)} came back different {' '.join(different)}")


if __name__ == "__main__":
    main()
