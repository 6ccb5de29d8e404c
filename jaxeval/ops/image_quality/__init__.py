"""Image quality of NHWC batches on the device: full-reference and no-reference measures, and losses made of them.

Full-reference ops take (x, y, *, data_range, ...) and return one float32 value an image, [N]. They run under jit, vmap,
grad and on sharded batches; gradients are finite also at identical images and on constant patches. Wrong data ranges,
shapes and values that are not finite are InputErrors wherever values can be looked at.
"""

from jaxeval.ops.image_quality._brisque import BrisqueConvention as BrisqueConvention
from jaxeval.ops.image_quality._brisque import BrisqueModel as BrisqueModel
from jaxeval.ops.image_quality._brisque import brisque as brisque
from jaxeval.ops.image_quality._brisque import brisque_features as brisque_features
from jaxeval.ops.image_quality._clip_iqa import CLIP_IQA_PROMPTS as CLIP_IQA_PROMPTS
from jaxeval.ops.image_quality._clip_iqa import clip_iqa as clip_iqa
from jaxeval.ops.image_quality._cw_ssim import cw_ssim as cw_ssim
from jaxeval.ops.image_quality._dss import dss as dss
from jaxeval.ops.image_quality._flip import ToneMapper as ToneMapper
from jaxeval.ops.image_quality._flip import flip as flip
from jaxeval.ops.image_quality._flip import hdr_flip as hdr_flip
from jaxeval.ops.image_quality._fsim import FsimConvention as FsimConvention
from jaxeval.ops.image_quality._fsim import fsim as fsim
from jaxeval.ops.image_quality._gmsd import gms as gms
from jaxeval.ops.image_quality._gmsd import gmsd as gmsd
from jaxeval.ops.image_quality._gmsd import ms_gmsd as ms_gmsd
from jaxeval.ops.image_quality._haarpsi import haarpsi as haarpsi
from jaxeval.ops.image_quality._ilniqe import IlniqeModel as IlniqeModel
from jaxeval.ops.image_quality._ilniqe import ilniqe as ilniqe
from jaxeval.ops.image_quality._ilniqe import ilniqe_features as ilniqe_features
from jaxeval.ops.image_quality._iw_ssim import iw_ssim as iw_ssim
from jaxeval.ops.image_quality._mad import mad as mad
from jaxeval.ops.image_quality._mdsi import mdsi as mdsi
from jaxeval.ops.image_quality._ms_ssim import MS_SSIM_WEIGHTS as MS_SSIM_WEIGHTS
from jaxeval.ops.image_quality._ms_ssim import MsSsimConvention as MsSsimConvention
from jaxeval.ops.image_quality._ms_ssim import ms_ssim as ms_ssim
from jaxeval.ops.image_quality._niqe import NiqeConvention as NiqeConvention
from jaxeval.ops.image_quality._niqe import NiqeModel as NiqeModel
from jaxeval.ops.image_quality._niqe import niqe as niqe
from jaxeval.ops.image_quality._niqe import niqe_features as niqe_features
from jaxeval.ops.image_quality._nlpd import NlpdConvention as NlpdConvention
from jaxeval.ops.image_quality._nlpd import nlpd as nlpd
from jaxeval.ops.image_quality._nrqm import NrqmForest as NrqmForest
from jaxeval.ops.image_quality._nrqm import NrqmModel as NrqmModel
from jaxeval.ops.image_quality._nrqm import nrqm as nrqm
from jaxeval.ops.image_quality._nrqm import nrqm_features as nrqm_features
from jaxeval.ops.image_quality._nrqm import perceptual_index as perceptual_index
from jaxeval.ops.image_quality._piqe import piqe as piqe
from jaxeval.ops.image_quality._psnr_hvs import psnr_hvs as psnr_hvs
from jaxeval.ops.image_quality._psnr_hvs import psnr_hvs_m as psnr_hvs_m
from jaxeval.ops.image_quality._sr_sim import sr_sim as sr_sim
from jaxeval.ops.image_quality._ssim import SsimConvention as SsimConvention
from jaxeval.ops.image_quality._ssim import SsimTerms as SsimTerms
from jaxeval.ops.image_quality._ssim import ssim as ssim
from jaxeval.ops.image_quality._ssim import ssim_terms as ssim_terms
from jaxeval.ops.image_quality._vif import vif as vif
from jaxeval.ops.image_quality._vifp import vifp as vifp
from jaxeval.ops.image_quality._vsi import vsi as vsi
from jaxeval.ops.image_quality.colour import Colour as Colour
from jaxeval.ops.image_quality.colour import View as View
from jaxeval.ops.image_quality.colour import rgb_to_y as rgb_to_y
from jaxeval.ops.image_quality.colour import rgb_to_ycbcr as rgb_to_ycbcr
from jaxeval.ops.image_quality.frames import frame_scores as frame_scores
from jaxeval.ops.image_quality.natural_scene import FlatPixels as FlatPixels
from jaxeval.ops.image_quality.no_reference import Exposure as Exposure
from jaxeval.ops.image_quality.no_reference import colourfulness as colourfulness
from jaxeval.ops.image_quality.no_reference import entropy as entropy
from jaxeval.ops.image_quality.no_reference import exposure as exposure
from jaxeval.ops.image_quality.no_reference import sharpness as sharpness
from jaxeval.ops.image_quality.no_reference import total_variation as total_variation
from jaxeval.ops.image_quality.perceptual import LpipsConvention as LpipsConvention
from jaxeval.ops.image_quality.perceptual import dists_distance as dists_distance
from jaxeval.ops.image_quality.perceptual import lpips_distance as lpips_distance
from jaxeval.ops.image_quality.pixel_errors import mae as mae
from jaxeval.ops.image_quality.pixel_errors import mse as mse
from jaxeval.ops.image_quality.pixel_errors import psnr as psnr
from jaxeval.ops.image_quality.pixel_errors import rmse as rmse

__all__ = [
    "CLIP_IQA_PROMPTS",
    "MS_SSIM_WEIGHTS",
    "BrisqueConvention",
    "BrisqueModel",
    "Colour",
    "Exposure",
    "FlatPixels",
    "FsimConvention",
    "IlniqeModel",
    "LpipsConvention",
    "MsSsimConvention",
    "NiqeConvention",
    "NiqeModel",
    "NlpdConvention",
    "NrqmForest",
    "NrqmModel",
    "SsimConvention",
    "SsimTerms",
    "ToneMapper",
    "View",
    "brisque",
    "brisque_features",
    "clip_iqa",
    "colourfulness",
    "cw_ssim",
    "dists_distance",
    "dss",
    "entropy",
    "exposure",
    "flip",
    "frame_scores",
    "fsim",
    "gms",
    "gmsd",
    "haarpsi",
    "hdr_flip",
    "ilniqe",
    "ilniqe_features",
    "iw_ssim",
    "lpips_distance",
    "mad",
    "mae",
    "mdsi",
    "ms_gmsd",
    "ms_ssim",
    "mse",
    "niqe",
    "niqe_features",
    "nlpd",
    "nrqm",
    "nrqm_features",
    "perceptual_index",
    "piqe",
    "psnr",
    "psnr_hvs",
    "psnr_hvs_m",
    "rgb_to_y",
    "rgb_to_ycbcr",
    "rmse",
    "sharpness",
    "sr_sim",
    "ssim",
    "ssim_terms",
    "total_variation",
    "vif",
    "vifp",
    "vsi",
]
