"""The forms that labels are written in: JSON Lines for AutoML for Images, COCO, CSV.

Lines and members come in the order of the images' names, numbers count from 1, so that the same load gives the same
bytes. Text is UTF-8.

JSON Lines is the multi-label form of Azure Machine Learning ("Data schemas for AutoML image classification", section
"Multi-label"). A training job has no use for an image without label, so those are left out; the other forms have every
image, for the tools in which people put labels on.

COCO (cocodataset.org, "Data format") has no form for labels of a whole image. The one written here is what Azure
Machine Learning and Azure AI Vision export and read for classification: an annotation for each label of each image,
with nothing but `image_id` and `category_id`; no box is made up.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from laden.stages.labels.collect import LabelSet
from laden.stages.labels.images import LabelledImage
from laden.values.errors import UsageError

Address = Callable[[str], str]
"""What is written for a blob's name."""
Form = Callable[[LabelSet, Address, TextIO], int]
"""Writes the labels, and returns of how many images."""

_BETWEEN = "|"
"""As in the tables of ChestX-ray14; several labels of PADCHEST hold commas."""

MLTABLE = """\
$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json
type: mltable
paths:
  - file: ./labels.jsonl
transformations:
  - read_json_lines:
      encoding: utf8
      invalid_lines: error
      include_path_column: false
  - convert_column_types:
      - columns: image_url
        column_type: stream_info
"""
"""As AutoML for Images wants it ("Prepare data for computer vision tasks with AutoML", section "MLTable")."""


def write_jsonl(labels: LabelSet, address: Address, out: TextIO) -> int:
    """Write a line for each image that has a label."""
    count = 0
    for image in labels.images():
        if not image.labels:
            continue
        line: dict[str, Any] = {"image_url": address(image.blob)}
        if image.kind and image.width and image.height:
            line["image_details"] = {"format": image.kind, "width": image.width, "height": image.height}
        line["label"] = image.labels
        out.write(_json(line) + "\n")
        count += 1
    return count


def write_csv(labels: LabelSet, address: Address, out: TextIO) -> int:
    """Write a record for each image: its address, and its labels with `|` between them.

    Raises:
        UsageError: a label holds a `|` itself.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("path", "labels"))
    count = 0
    for count, image in enumerate(labels.images(), 1):  # noqa: B007 - the last is the sum
        if held := [label for label in image.labels if _BETWEEN in label]:
            raise UsageError(
                f"the label '{held[0]}' holds a '{_BETWEEN}', which CSV has between labels: use --format jsonl"
            )
        writer.writerow((address(image.blob), _BETWEEN.join(image.labels)))
    return count


def write_coco(labels: LabelSet, address: Address, out: TextIO) -> int:
    """Write one JSON object with `images`, `annotations` and `categories`, an image a line."""
    names = sorted({label for image in labels.images() for label in image.labels})
    numbers = {name: number for number, name in enumerate(names, 1)}
    out.write('{"images": [')
    count = _members(out, (_coco_image(number, image, address) for number, image in enumerate(labels.images(), 1)))
    out.write('], "annotations": [')
    _members(out, _coco_annotations(labels, numbers))
    out.write('], "categories": [')
    _members(out, ({"id": number, "name": name} for name, number in numbers.items()))
    out.write("]}\n")
    return count


FORMS: dict[str, Form] = {"jsonl": write_jsonl, "coco": write_coco, "csv": write_csv}
STARTS = {"jsonl": b'{"image_url": ', "coco": b'{"images": [', "csv": b"path,labels\n"}
"""How each of them begins."""


def _coco_image(number: int, image: LabelledImage, address: Address) -> dict[str, Any]:
    written = address(image.blob)
    described: dict[str, Any] = {"id": number}
    if image.width and image.height:
        described |= {"width": image.width, "height": image.height}
    described["file_name"] = image.blob
    return described if written == image.blob else {**described, "coco_url": written}


def _coco_annotations(labels: LabelSet, numbers: dict[str, int]) -> Iterator[dict[str, Any]]:
    pairs = ((number, label) for number, image in enumerate(labels.images(), 1) for label in image.labels)
    for count, (number, label) in enumerate(pairs, 1):
        yield {"id": count, "image_id": number, "category_id": numbers[label]}


def _members(out: TextIO, members: Iterable[dict[str, Any]]) -> int:
    count = 0
    for count, member in enumerate(members, 1):
        out.write(("," if count > 1 else "") + "\n" + _json(member))
    if count:
        out.write("\n")
    return count


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
