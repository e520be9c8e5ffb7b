"""A scan of one's own, without a suite: inspected, denoised, mapped."""
