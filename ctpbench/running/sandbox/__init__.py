"""What the kernel keeps from a process that runs a method."""
