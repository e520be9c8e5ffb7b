"""What a plugin sees of the core and fulfils, re-exported by `ctpbench`: cases, components, series, hooks."""
