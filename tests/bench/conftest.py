"""What every benchmark stands on: byte code that is kept, as that of an installed package is."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _compiled(tmp_path_factory, _hermetic):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GIT_TEST_FSYNC")  # git as people have it
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("pycache")))
        yield
