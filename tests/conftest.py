"""What holds for every test: no message is published that the contract does not have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import contract

contract.watch()


@pytest.fixture(autouse=True)
def _published_as_the_contract_says() -> Iterator[None]:
    contract.BROKEN.clear()
    yield
    assert contract.BROKEN == []
