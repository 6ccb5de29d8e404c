"""EfficientNet-Lite0 against a torch port of its definition, with the real weights where the package is installed."""

import numpy as np
import numpy_networks
import pytest
import safetensors.numpy

from jaxeval.errors import WeightsMissingError
from jaxeval.extractors import WeightsStore, load_extractor
from jaxeval.extractors.catalogue import CATALOGUE

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TOLERANCE = 1e-5  # max |difference| over max |value|; docs/precision.md

# (kernel side, repeats, stride, expansion, channels out), as efficientnet_lite's block strings have them.
STAGES = ((3, 1, 1, 1, 16), (3, 2, 2, 6, 24), (5, 2, 2, 6, 40), (3, 3, 2, 6, 80), (5, 3, 1, 6, 112), (5, 4, 2, 6, 192), (3, 1, 1, 6, 320))  # fmt: skip  # noqa: E501


def _torch_network():
    """The network from torch's own layers, with tensors under the names of `efficientnet_lite_pytorch`."""
    import torch
    from torch import nn

    class Same(nn.Conv2d):
        def forward(self, input):  # torch's own name for it
            pads = []
            for size, side, stride in zip(input.shape[2:], self.kernel_size, self.stride, strict=True):
                total = max((-(-size // stride) - 1) * stride + side - size, 0)
                pads = [total // 2, total - total // 2, *pads]
            return super().forward(nn.functional.pad(input, pads))

    def norm(channels):
        return nn.BatchNorm2d(channels, eps=1e-3)

    class Block(nn.Module):
        def __init__(self, inputs, outputs, side, stride, expansion):
            super().__init__()
            inner = inputs * expansion
            if expansion > 1:
                self._expand_conv, self._bn0 = Same(inputs, inner, 1, bias=False), norm(inner)
            self._depthwise_conv = Same(inner, inner, side, stride, groups=inner, bias=False)
            self._bn1 = norm(inner)
            self._project_conv, self._bn2 = Same(inner, outputs, 1, bias=False), norm(outputs)
            self.residual = stride == 1 and inputs == outputs

        def forward(self, x):
            y = x
            if hasattr(self, "_expand_conv"):
                y = nn.functional.relu6(self._bn0(self._expand_conv(y)))
            y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
            y = self._bn2(self._project_conv(y))
            return x + y if self.residual else y

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self._conv_stem, self._bn0 = Same(3, 32, 3, 2, bias=False), norm(32)
            blocks, inputs = [], 32
            for side, repeats, stride, expansion, outputs in STAGES:
                for repeat in range(repeats):
                    blocks.append(Block(inputs, outputs, side, 1 if repeat else stride, expansion))
                    inputs = outputs
            self._blocks = nn.ModuleList(blocks)
            self._conv_head, self._bn1 = Same(320, 1280, 1, bias=False), norm(1280)
            self._fc = nn.Linear(1280, 1000)

        def forward(self, x):
            x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
            for block in self._blocks:
                x = block(x)
            pooled = nn.functional.relu6(self._bn1(self._conv_head(x))).mean((2, 3))
            return {"1280": pooled, "logits": self._fc(pooled)}

    return torch, Network().eval()


@pytest.fixture(params=["random", "published"])
def weights_dir(request, tmp_path):
    store = WeightsStore(tmp_path / "weights")
    if request.param == "random":
        path = tmp_path / "lite0.safetensors"
        safetensors.numpy.save_file(numpy_networks.random_state_dict(CATALOGUE["lite0"].shapes(), 4), path)
        store.import_file("lite0", path, unverified=True)
    else:
        try:
            store.load("lite0")
        except WeightsMissingError:
            pytest.skip("needs the extra `lite`")
    return store.folder


def test_lite0_at_every_tap(weights_dir):
    torch, network = _torch_network()
    state = {name: torch.from_numpy(array.copy()) for name, array in WeightsStore(weights_dir).load("lite0").items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    images = np.random.default_rng(6).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    images[1] //= 2
    with torch.inference_mode():
        theirs = network((torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32)) - 127) / 128)
    ours = load_extractor("lite0", weights_dir=weights_dir)
    for tap, feature in ours(images, taps=ours.taps).items():
        expected = theirs[tap].numpy()
        assert np.abs(np.asarray(feature) - expected).max() / np.abs(expected).max() < TOLERANCE, tap
