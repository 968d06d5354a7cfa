"""What `import edgeq` promises."""

import importlib

import edgeq


def test_every_public_name_stays_what_it_is():
    for name in edgeq.__all__:
        assert getattr(edgeq, name) is not None
    for name, module in edgeq._PUBLIC.items():
        # Importing a submodule of the same name must not put the module in the function's place.
        importlib.import_module(module)
        assert callable(getattr(edgeq, name)), name
