"""Which files may be shown as pictures, as far as their names say: asked before anything is read of them."""

from __future__ import annotations

from laden.relations import Relations


def is_image(column: str) -> str:
    """SQL: whether a name is one of an image that can be drawn."""
    return f"regexp_matches(lower({column}), '\\.(png|jpe?g|dcm|dicom|tiff?|bmp|gif|webp)$')"


def has_images(relations: Relations) -> bool:
    """Whether a source has an image that can be drawn, or a row names one."""
    question = f"SELECT count(*) FROM (FROM entries WHERE {is_image('member')} OR {is_image('blob')} LIMIT 1)"  # noqa: S608
    return bool(relations.one(question)[0])
