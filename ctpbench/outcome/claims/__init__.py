"""What a paper states, held against the results of a run: claims in YAML beside a suite, each with a verdict."""

from __future__ import annotations

from ctpbench.outcome.claims.file import FILE_NAME, Claims, load_claims
from ctpbench.outcome.claims.judgement import Finding, Judgement, judge

__all__ = ["FILE_NAME", "Claims", "Finding", "Judgement", "judge", "load_claims"]
