"""A vector of `LANES` numbers for the loops that a compiler does not make into vector instructions by itself.

It does so for a loop over a row, whose sums go back to memory at every turn. Sums that are to stay in registers while
a loop runs over something else are vectors of this type:

    total = zeros()
    for f in range(features):
        total = add_product(total, load(a, f * LANES), load(b, f * LANES))
    store(out, 0, total)

Arrays are one-dimensional, contiguous and float32; nothing checks that the `LANES` numbers from an index on lie inside.
A processor with shorter registers is given several for one vector.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from ctpbench_filters._numba import OPTIONS

LANES = 16
_LLVM = ir.VectorType(ir.FloatType(), LANES)
_FUSED = ("contract",)  # a product and a sum may become one instruction


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(f"Vector{LANES}")


_vector = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, type_):
        super().__init__(manager, type_, _LLVM)


@numba.njit(**OPTIONS)
def aligned(size):
    """Return room for float32 numbers that begins at an address where vectors load, and are stored, twice as fast."""
    room = np.empty(size + LANES, np.float32)
    first = (-room.ctypes.data // room.itemsize) % LANES
    return room[first : first + size]


def _place(context, builder, signature, arguments):
    """Return the address of the first of the lanes: arguments are an array and an index."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), _LLVM.as_pointer())


@intrinsic
def load(typing, array, index):
    """Return the lanes from an index of an array on."""

    def build(context, builder, signature, arguments):
        return builder.load(_place(context, builder, signature, arguments), align=4)

    return _vector(array, types.intp), build


@intrinsic
def store(typing, array, index, vector):
    """Write a vector into an array from an index on."""

    def build(context, builder, signature, arguments):
        builder.store(arguments[2], _place(context, builder, signature, arguments), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector), build


@intrinsic
def zeros(typing):
    """Return a vector of zeros."""
    return _vector(), lambda context, builder, signature, arguments: ir.Constant(_LLVM, None)


@intrinsic
def add_square(typing, total, a, b):
    """Return ``total + (a - b)^2``."""

    def build(context, builder, signature, arguments):
        total, a, b = arguments
        difference = builder.fsub(a, b)
        return builder.fadd(total, builder.fmul(difference, difference, flags=_FUSED), flags=_FUSED)

    return _vector(_vector, _vector, _vector), build


@intrinsic
def add_product(typing, total, a, b):
    """Return ``total + a b``."""

    def build(context, builder, signature, arguments):
        total, a, b = arguments
        return builder.fadd(total, builder.fmul(a, b, flags=_FUSED), flags=_FUSED)

    return _vector(_vector, _vector, _vector), build
