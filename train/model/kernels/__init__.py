"""Do on an NVIDIA GPU what torch and its compiler do slowly there; Triton compiles each kernel when it is first called.

Nothing here is imported before there is such a GPU: Triton is on no Mac.
"""

from train.model.kernels.cross_entropy import losses_and_slopes_
from train.model.kernels.row_attention import HEAD_WIDTHS, MOST_TOKENS, attend

__all__ = ["HEAD_WIDTHS", "MOST_TOKENS", "attend", "losses_and_slopes_"]
