"""What people write, read strictly: YAML with the line of every value, and all that is wrong with it at once."""
