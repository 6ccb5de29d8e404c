"""Image quality of NHWC batches on the device: full-reference and no-reference measures, and losses made of them.

Full-reference ops take (x, y, *, data_range, ...) and return one float32 value an image, [N]. They run under jit, vmap,
grad and on sharded batches; gradients are finite also at identical images and on constant patches. Wrong data ranges,
shapes and values that are not finite are InputErrors wherever values can be looked at.
"""

from jaxeval.ops.image_quality.colour import View as View
from jaxeval.ops.image_quality.colour import rgb_to_y as rgb_to_y
from jaxeval.ops.image_quality.colour import rgb_to_ycbcr as rgb_to_ycbcr
from jaxeval.ops.image_quality.ms_ssim import MS_SSIM_WEIGHTS as MS_SSIM_WEIGHTS
from jaxeval.ops.image_quality.ms_ssim import MsSsimConvention as MsSsimConvention
from jaxeval.ops.image_quality.ms_ssim import ms_ssim as ms_ssim
from jaxeval.ops.image_quality.pixel_errors import mae as mae
from jaxeval.ops.image_quality.pixel_errors import mse as mse
from jaxeval.ops.image_quality.pixel_errors import psnr as psnr
from jaxeval.ops.image_quality.pixel_errors import rmse as rmse
from jaxeval.ops.image_quality.ssim import SsimConvention as SsimConvention
from jaxeval.ops.image_quality.ssim import SsimTerms as SsimTerms
from jaxeval.ops.image_quality.ssim import ssim as ssim
from jaxeval.ops.image_quality.ssim import ssim_terms as ssim_terms

__all__ = [
    "MS_SSIM_WEIGHTS",
    "MsSsimConvention",
    "SsimConvention",
    "SsimTerms",
    "View",
    "mae",
    "ms_ssim",
    "mse",
    "psnr",
    "rgb_to_y",
    "rgb_to_ycbcr",
    "rmse",
    "ssim",
    "ssim_terms",
]
