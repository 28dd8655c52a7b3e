"""What `python -m tests.fuzz` has found, and what was mended since, is no finding any more."""

import pytest

from tests.fuzz.cases import FOUND, outcome, read
from tests.fuzz.targets import TARGETS

CASES = sorted(path for path in FOUND.glob("*/*") if path.is_dir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_what_was_found_is_mended(case, tmp_path):
    found = outcome(TARGETS[case.parent.name], read(case), tmp_path / "case")
    assert found is None, found.text


def test_valid_cases_are_no_findings(tmp_path):
    for name in ("conllu", "grammar", "store", "model-pairs", "command-convert"):
        for number, files in enumerate(TARGETS[name].samples()):
            found = outcome(TARGETS[name], files, tmp_path / f"{name}{number}")
            assert found is None, found.text
