"""The names that `ctpbench` offers, and the modules they come from."""

from __future__ import annotations

HOME = {
    "Case": "contract.case",
    "ConcentrationDenoiser": "contract.components",
    "Context": "contract.components",
    "DataError": "errors",
    "Dataset": "contract.components",
    "Deconvolver": "contract.components",
    "FileStamps": "contract.files",
    "Format": "contract.series",
    "FrameDenoiser": "contract.components",
    "INDEPENDENT": "scans.findings",
    "Inspection": "scans.inspection",
    "MAPS": "contract.case",
    "MAP_UNITS": "contract.case",
    "MAX_LOST": "contract.series",
    "Metric": "contract.components",
    "Observation": "contract.observation",
    "PoolExecutor": "contract.executors",
    "QUANTITIES": "contract.quantities",
    "Quantity": "contract.quantities",
    "ScoredCase": "contract.case",
    "Series": "contract.series",
    "Split": "contract.components",
    "Stated": "contract.series",
    "Trainable": "contract.components",
    "TrainingCase": "contract.case",
    "Truth": "contract.case",
    "Volume": "contract.series",
    "check_observation": "contract.observation",
    "class_mask": "contract.classes",
    "file_stamps": "contract.files",
    "files_fingerprint": "contract.files",
    "hookimpl": "contract.hookspecs",
    "inspect_series": "scans.inspection",
    "regions": "contract.case",
}
"""The module, below `ctpbench`, that each public name for plugin authors comes from."""

CALLS = {
    "CtpbenchError": "errors",
    "Results": "calls.results",
    "denoise": "calls.scans",
    "evaluate": "calls.boards",
    "open_results": "calls.results",
    "perfusion_maps": "calls.scans",
    "run_suite": "calls.boards",
}
"""The same of what people call from Python. Components use none of it, so their answers do not depend on its code."""
