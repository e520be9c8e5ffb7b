"""Classical CT-perfusion denoisers for ctpbench: none, gaussian, tips, ttv."""
