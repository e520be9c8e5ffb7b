"""What is written of a scan, by the names that others know it by: units, the lexicon's entries and DICOM's codes.

Sources: OSIPI's CAPLEX lexicon of contrast-agent perfusion (Dickie et al., Magn Reson Med 91 (2024) 1761-1773), section
Q; DICOM PS3.16, CID 7180 (quantities), 7181 (units), 7150 and 7151 (what a segment is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ctpbench.arrays import CSF_HU, RCBF_THRESHOLD, TMAX_THRESHOLD_S


class Code(NamedTuple):
    """An entry of a published list: its value there, the list, and what it means."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Quantity:
    """What the values of a file are.

    Attributes
    ----------
    title : str
    units : str
        As people write them; 1 where there are none.
    ucum : Code
        The same as a code of units.
    dicom : Code
        What DICOM calls it: a quantity or, of a mask, what kind of tissue.
    category : Code or None
        Of a mask, whose values are 0 and 1, DICOM's category; None of a quantity that is measured.
    caplex : Code or None
        The lexicon's entry; None where it has none.
    definition : str
        How it is read here, where that is not what the names say.
    """

    title: str
    units: str
    ucum: Code
    dicom: Code
    category: Code | None = None
    caplex: Code | None = None
    definition: str = ""

    @property
    def is_mask(self) -> bool:
        return self.category is not None


def _ucum(value: str, meaning: str) -> Code:
    return Code(value, "UCUM", meaning)


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


def _sct(value: str, meaning: str) -> Code:
    return Code(value, "SCT", meaning)


def _caplex(value: str, meaning: str) -> Code:
    return Code(value, "OSIPI CAPLEX", meaning)


_FLOW = _ucum("ml/[100]g/min", "milliliter per 100 gram per minute")
_VOLUME = _ucum("ml/(100.g)", "milliliter per 100 gram")
_SECONDS, _NO_UNITS = _ucum("s", "second"), _ucum("1", "no units")

QUANTITIES = {
    "cbf": Quantity(
        "Cerebral blood flow",
        "mL/100 g/min",
        _FLOW,
        _dcm("126390", "Absolute Regional Blood Flow"),
        caplex=_caplex("Q.PH1.003", "Blood flow"),
        definition="the residue's maximum, per 100 g by the density rho",
    ),
    "cbv": Quantity(
        "Cerebral blood volume",
        "mL/100 g",
        _VOLUME,
        _dcm("126391", "Absolute Regional Blood Volume"),
        caplex=_caplex("Q.PH1.001.b", "Relative volume fraction"),
        definition="the residue's area, per 100 g by the density rho",
    ),
    "mtt": Quantity(
        "Mean transit time",
        "s",
        _SECONDS,
        _dcm("113052", "Mean Transit Time"),
        caplex=_caplex("Q.PH1.006.t", "Mean transit time"),
        definition="60 CBV / CBF",
    ),
    "ttp": Quantity(
        "Time to peak from the scan's first frame",
        "s",
        _SECONDS,
        _dcm("113069", "Time To Peak"),
        caplex=_caplex("Q.CD1.003", "Data grid point of maximum value"),
        definition="of the tissue's curve, counted from the scan's first frame",
    ),
    "ttp_arrival": Quantity(
        "Time to peak from bolus arrival",
        "s",
        _SECONDS,
        _dcm("113069", "Time To Peak"),
        caplex=_caplex("Q.CD1.010", "Time to peak"),
        definition="of the tissue's curve, counted from where the AIF passes a tenth of its peak",
    ),
    "tmax": Quantity(
        "Time to maximum of the residue",
        "s",
        _SECONDS,
        _dcm("113084", "Tmax"),
        caplex=_caplex("Q.CD1.003", "Data grid point of maximum value"),
        definition="of the tissue impulse response function (Q.IC1.005), which the deconvolution with the AIF returns",
    ),
    "core": Quantity(
        f"Infarct core: CBF below {100 * RCBF_THRESHOLD:g}% of the other side",
        "1",
        _NO_UNITS,
        _sct("301766008", "Lesion of Brain"),
        category=_sct("49755003", "Morphologically Abnormal Structure"),
        definition=f"CBF below {RCBF_THRESHOLD:g} times the other side's mean; tissue of {CSF_HU:g} HU and more",
    ),
    "penumbra": Quantity(
        f"Hypoperfusion, the core in it included: Tmax above {TMAX_THRESHOLD_S:g} s",
        "1",
        _NO_UNITS,
        _sct("371863001", "Perfusion"),
        category=_sct("246464006", "Function"),
        definition=f"Tmax above {TMAX_THRESHOLD_S:g} s; tissue of {CSF_HU:g} HU and more",
    ),
    "denoised": Quantity(
        "Denoised frames", "HU", _ucum("[hnsf'U]", "Hounsfield unit"), _dcm("112031", "Attenuation Coefficient")
    ),
}
"""What may be written of a scan, by the name of its file."""
