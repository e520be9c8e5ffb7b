"""What people call from Python: a scan denoised, its maps, a suite run, a function on a board, results as tables."""
