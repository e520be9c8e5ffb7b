"""A folder of results in Croissant, a vocabulary for data sets of machine learning (MLCommons, version 1.0).

https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

import json
from typing import Any

from ctpbench.outcome.description import Description, without_empty

FILE_NAME = "croissant.json"
_TYPES = {"text": "sc:Text", "number": "sc:Float", "whole": "sc:Integer", "truth": "sc:Boolean"}
_TABLE = "leaderboard.csv"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(described: Description) -> str:
    """Return ``croissant.json`` of a folder: its files with checksums, and the leaderboard's columns with types."""
    files = [
        {
            "@type": "cr:FileObject",
            "@id": file.path,
            "name": file.path,
            "description": file.about,
            "contentUrl": file.path,
            "contentSize": f"{file.size} B",
            "encodingFormat": file.media_type,
            "sha256": file.sha256,
        }
        for file in described.files
    ]
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"leaderboard/{column.name}",
            "name": column.name,
            "description": column.about,
            "dataType": _TYPES[column.kind],
            "source": {"fileObject": {"@id": _TABLE}, "extract": {"column": column.name}},
        }
        for column in described.columns
    ]
    table = {
        "@type": "cr:RecordSet",
        "@id": "leaderboard",
        "name": "leaderboard",
        "description": "A line for each data set, noise level and row, ranked.",
        "field": fields,
    }
    top = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": described.name,
        "description": described.about,
        "license": described.licence,
        "citeAs": f"The ctpbench developers: ctpbench {described.ctpbench}, results of the suite {described.name}",
        "datePublished": described.date,
        "version": "1.0.0",
        "creator": {"@type": "sc:Organization", "name": "Those who ran the suite"},
        "distribution": files,
        "recordSet": [table] if fields else [],
    }
    return json.dumps(without_empty(top), indent=1, ensure_ascii=False) + "\n"
