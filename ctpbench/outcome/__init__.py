"""From records to verdicts: results, leaderboards, and a paper's claims held against them."""
