"""The labels of a loaded dataset, image by image, in the forms that training jobs and annotation tools read.

In order: `name_labels` reads a label table that lies in the container, `collect` says which labels each blob has;
`LabelSet` asks that of the manifest's images, in the order of their names; `forms` writes them. The same load gives the
same bytes. Images whose structure is broken are left out of every form, and counted.

What an empty list means is not decided here: the dataset does not say either.
"""

from __future__ import annotations

from laden.stages.labels.collect import LabelSet, Naming, collect, name_labels
from laden.stages.labels.forms import FORMS, MLTABLE, STARTS, Form
from laden.stages.labels.images import LabelCounts, LabelledImage

__all__ = [
    "FORMS",
    "MLTABLE",
    "STARTS",
    "Form",
    "LabelCounts",
    "LabelSet",
    "LabelledImage",
    "Naming",
    "collect",
    "name_labels",
]
