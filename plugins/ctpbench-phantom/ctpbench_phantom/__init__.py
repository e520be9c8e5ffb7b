"""Simulated CT-perfusion head for ctpbench: anatomy, scanner and reconstruction."""
