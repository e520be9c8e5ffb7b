"""The simulated CT scanner: equiangular fan beam, photon noise, filtered backprojection."""
