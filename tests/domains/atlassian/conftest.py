"""A site of the product that a test is given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from products import PRODUCTS, LocalSite, Product, running


@pytest.fixture(params=PRODUCTS, ids=lambda product: product.name)
def product(request: pytest.FixtureRequest) -> Product:
    found: Product = request.param
    return found


@pytest.fixture
def site(product: Product) -> Iterator[LocalSite]:
    with running(product) as local:
        yield local


@pytest.fixture(params=PRODUCTS, ids=lambda product: product.name)
def every_site(request: pytest.FixtureRequest) -> Iterator[LocalSite]:
    """For tests whose other sites are of one product."""
    with running(request.param) as local:
        yield local
