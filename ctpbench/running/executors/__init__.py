"""Where work runs. An executor takes batches of items and yields events; it never writes the store."""
