"""From a suite to records: the plan, the work it consists of, and who does it where."""
