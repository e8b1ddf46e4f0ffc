"""Tests that the quality chooses among the encoders of the priors, and how they are averaged."""

import torch
from conftest import tiny_prior
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.options import SeparationOptions

LSTM = {"n_fft": 64, "hop_length": 16, "width": 4}
BANDS = {**LSTM, "architecture": "band-split", "depth": 1, "n_heads": 2, "hidden": 8}
BANDS["bands"] = ((12, 2), (2, 4), (1, 1))


def test_quality_chooses_the_encoders_and_survives_saving(tmp_path):
    both = {"encoder": LSTM, "strong_encoder": {**BANDS, "width": 8}}
    bass, drums = tiny_prior("bass", 1, **both), tiny_prior("drums", 2, encoder=LSTM)
    separator = GenerativeSeparator({"bass": bass, "drums": drums}, fast_share=0.25, wiener=False)
    wav = torch.randn(1, 1, 4001).diff()  # next to nothing below hearing, which goes to one source
    found = {q: separator.separate(wav, quality=q) for q in ("fast", "default", "best")}
    assert_close(found["best"], 0.75 * found["default"] + 0.25 * found["fast"], atol=1e-3, rtol=0)
    assert (found["fast"] - found["default"]).abs().max() > 1e-2
    for quality in found:
        out = separator.separate(wav, quality=quality, wiener=True)
        assert_close(out.sum(1), wav[:, 0], atol=1e-5, rtol=0)
    separator.save_pretrained(tmp_path / "saved")
    again = GenerativeSeparator.from_pretrained(tmp_path / "saved")
    for quality, out in found.items():
        assert torch.equal(again.separate(wav, quality=quality), out)
    alone = GenerativeSeparator({"drums": drums})
    assert torch.equal(alone.separate(wav), alone.separate(wav, quality="best"))


def test_best_without_a_share_of_the_fast_encoders_does_not_run_them():
    options = SeparationOptions(quality="best", fast_share=0)
    assert options.resolved("encoder").quality == "default"
    assert options.updated({"fast_share": 0.1}).resolved("encoder").quality == "best"
