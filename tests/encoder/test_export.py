"""An exported encoder gives what the encoder gives, in another program than PyTorch."""

import json

import pytest
import torch
from conftest import tiny_prior

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.cli import main
from asteroid_instglow.encoder import build_encoder
from asteroid_instglow.encoder.base import estimate_each
from asteroid_instglow.encoder.export import RealEncoders

SIZES = {
    "lstm": {"width": 8, "n_bins": 30},
    "band-split": {"width": 8, "depth": 2, "n_heads": 2, "hidden": 4, "bands": [[8, 4], [1, 1]]},
}


@pytest.fixture(params=SIZES)
def encoders(request):
    """Two encoders with one body."""
    torch.manual_seed(0)
    args = {"architecture": request.param, "n_fft": 64, "hop_length": 16, "n_src": 2}
    joint = build_encoder({**args, **SIZES[request.param]}).eval()
    for value in joint.buffers():
        value.add_(torch.rand(value.shape) if value.is_floating_point() else 0)
    return [joint.alone(0).eval(), joint.alone(1).eval()]


def expected(encoders, x):
    with torch.no_grad():
        return torch.view_as_real(estimate_each(encoders, torch.view_as_complex(x))).transpose(0, 1)


def test_the_form_on_real_numbers_agrees(encoders):
    x = torch.randn(3, 33, 21, 2)
    real = RealEncoders(encoders).eval()
    with torch.no_grad():
        torch.testing.assert_close(real(x), expected(encoders, x), rtol=1e-5, atol=1e-5)


def test_onnxruntime_agrees_for_any_batch_and_length(encoders, tmp_path, monkeypatch, capsys):
    runtime = pytest.importorskip("onnxruntime", reason="the extra [test] is not installed")
    pytest.importorskip("onnx", reason="the extra [export] is not installed")
    priors = {name: tiny_prior(name, n_blocks=1) for name in ("bass", "drums")}
    for prior, encoder in zip(priors.values(), encoders):
        prior.add_encoder(encoder)
    GenerativeSeparator(priors, residual=True).save_pretrained(tmp_path / "band")
    monkeypatch.chdir(tmp_path)
    assert main(["export", "band", "-o", "band.onnx"]) == 0
    assert main(["export", "band", "-o", "band.onnx"]) == 2
    assert "pass --overwrite" in capsys.readouterr().err

    session = runtime.InferenceSession("band.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["sources"]) == ["bass", "drums"]
    assert (metadata["sample_rate"], metadata["n_fft"], metadata["hop_length"]) == (
        "8000",
        "64",
        "16",
    )
    assert (metadata["max_frames"] == "0") == (encoders[0].architecture == "lstm")
    for shape in ((2, 33, 16, 2), (3, 33, 37, 2), (1, 33, 1, 2)):
        x = torch.randn(shape)
        (got,) = session.run(None, {"spectrogram": x.numpy()})
        torch.testing.assert_close(
            torch.from_numpy(got), expected(encoders, x), rtol=1e-5, atol=1e-5
        )


def test_a_prior_without_encoders_is_refused(tmp_path, capsys):
    tiny_prior("bass", n_blocks=1).save_pretrained(tmp_path / "bass")
    assert main(["export", str(tmp_path / "bass"), "-o", str(tmp_path / "a.onnx")]) == 2
    assert "bass has none" in capsys.readouterr().err
