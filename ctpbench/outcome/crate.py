"""A folder of results as an RO-Crate 1.1: a research object that says what its files are and which program wrote them.

https://www.researchobject.org/ro-crate/specification/1.1/
"""

from __future__ import annotations

import json
from typing import Any

from ctpbench.outcome.description import Description, without_empty

FILE_NAME = "ro-crate-metadata.json"
_SOFTWARE, _RUN = "#ctpbench", "#run"


def crate(described: Description) -> str:
    """Return ``ro-crate-metadata.json`` of a folder."""
    specification = {
        "@id": FILE_NAME,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": described.name,
        "description": described.about,
        "datePublished": described.date,
        "license": {"@id": described.licence} if described.licence else None,
        "hasPart": [{"@id": file.path} for file in described.files],
        "mentions": {"@id": _RUN},
    }
    files = [
        {
            "@id": file.path,
            "@type": "File",
            "name": file.path,
            "description": file.about,
            "encodingFormat": file.media_type,
            "contentSize": str(file.size),
            "sha256": file.sha256,
        }
        for file in described.files
    ]
    software = {
        "@id": _SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "ctpbench",
        "version": described.ctpbench,
    }
    run = {
        "@id": _RUN,
        "@type": "CreateAction",
        "name": f"Run of the suite {described.name}",
        "endTime": described.date,
        "instrument": {"@id": _SOFTWARE},
        "result": {"@id": "./"},
    }
    licence = {"@id": described.licence, "@type": "CreativeWork", "name": described.licence}
    graph: list[dict[str, Any]] = [
        specification,
        root,
        *files,
        software,
        run,
        *([licence] if described.licence else []),
    ]
    document = {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": [without_empty(node) for node in graph]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
