"""A suite: YAML in, everything checked and resolved; and back again as plain data."""
