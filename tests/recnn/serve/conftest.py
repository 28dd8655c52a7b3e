"""A catalogue that all tests share, and a server of it."""

import pytest

from recnn.serve.app import make_app
from recnn.serve.catalogue import Catalogue
from tests.serving import serving


@pytest.fixture(scope="session")
def catalogue():
    return Catalogue()


@pytest.fixture(scope="session")
def address(catalogue):
    """Address of a running server."""
    with serving(make_app(catalogue)) as address:
        yield address
