"""PyAirbyte imported in two thirds of the time: half of what a later sync costs is to import it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_import() -> Iterator[None]:
    """While it lasts, nothing looks for cycles among objects that stay, nor for the docstrings of message fields.

    Those the CDK's serializers read from the source text of their classes, for JSON schemas that nobody asks for here.
    """
    import attributes_doc

    described = attributes_doc.get_attributes_doc
    attributes_doc.get_attributes_doc = _no_descriptions
    gc.disable()
    try:
        yield
    finally:
        attributes_doc.get_attributes_doc = described
        gc.freeze()
        gc.enable()


def _no_descriptions(cls: type) -> dict[str, str]:  # noqa: ARG001 - as the real one
    return {}
