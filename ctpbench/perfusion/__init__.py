"""From frames to perfusion maps: pure functions over numpy arrays.

Conventions
-----------
Time is the first axis of every series; any spatial axes may follow. Image values and concentrations are in
HU, times in s, lengths in mm, residues (flow included) in 1/s, CBF in mL/100 g/min, CBV in mL/100 g; MTT, TTP
and Tmax in s. With ``kappa = rho = 1`` a value per 100 mL equals one per 100 g.

T frames are padded with zeros to M = 2 T lags, on which convolution with the AIF is the circulant matrix A of
``c = A r``, ``A[i, j] = dt * AIF[(i - j) mod M]``: causal, samples of the AIF below zero set to zero. The
maximum that gives CBF and Tmax is taken over all M lags of the circle, unless told otherwise; a lag k above M / 2
stands for the negative lag k - M: tissue that enhances before the AIF.

Sources: Wu, Ren, Li, appendix VIII-A, eqs 16-23 (eq. 21 prints its two cases swapped; here they are causal);
Wu O. et al. 2003, Magn Reson Med 50:164 (circulant deconvolution, oscillation index); Fieselmann et al. 2011,
Int J Biomed Imaging 2011:467563 (deconvolution in CT, units, Tikhonov filter).
"""

from ctpbench.perfusion.aif import InputFunctions, Vessel, find_input_functions
from ctpbench.perfusion.bayesian import Bayesian, posterior_maps
from ctpbench.perfusion.circulant import circulant_length, circulant_matrix
from ctpbench.perfusion.components import (
    TemporalComponents,
    cell_smoothing,
    smooth_components,
    temporal_components,
)
from ctpbench.perfusion.concentration import resample, subtract_baseline
from ctpbench.perfusion.criteria import regularisation_weight
from ctpbench.perfusion.deconvolution import deconvolve, inverse_kernel
from ctpbench.perfusion.dose import insert_noise
from ctpbench.perfusion.lesions import (
    hypoperfused,
    infarct_core,
    side_of,
)
from ctpbench.perfusion.maps import maps_from_residues, perfusion_maps
from ctpbench.perfusion.masks import brain_mask, vessel_mask
from ctpbench.perfusion.motion import motion_mm
from ctpbench.perfusion.noise import NoiseStatistics, noise_statistics
from ctpbench.perfusion.regions import flat_white_matter
from ctpbench.perfusion.regularisation import Deconvolution, Gcv, LCurve, Osvd, Tikhonov, Tsvd
from ctpbench.perfusion.scaling import pooled_factor, roi_factor, scale_factor, scale_sums

__all__ = [
    "Bayesian",
    "Deconvolution",
    "Gcv",
    "InputFunctions",
    "LCurve",
    "NoiseStatistics",
    "Osvd",
    "TemporalComponents",
    "Tikhonov",
    "Tsvd",
    "Vessel",
    "brain_mask",
    "cell_smoothing",
    "circulant_length",
    "circulant_matrix",
    "deconvolve",
    "find_input_functions",
    "flat_white_matter",
    "hypoperfused",
    "infarct_core",
    "insert_noise",
    "inverse_kernel",
    "maps_from_residues",
    "motion_mm",
    "noise_statistics",
    "perfusion_maps",
    "pooled_factor",
    "posterior_maps",
    "regularisation_weight",
    "resample",
    "roi_factor",
    "scale_factor",
    "scale_sums",
    "side_of",
    "smooth_components",
    "subtract_baseline",
    "temporal_components",
    "vessel_mask",
]
