import pytest
import torch

from asteroid_instglow import SeparationOptions
from asteroid_instglow.utils.precision import resolve_precision


def give_processor(monkeypatch, amx=False, avx512_bf16=False):
    # Older versions of torch lack these.
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)


def test_a_torch_that_cannot_tell_counts_as_without(monkeypatch):
    for name in ("amx_tile", "avx512_bf16"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported", raising=False)
    assert resolve_precision("auto", "cpu") == "32"


@pytest.mark.parametrize("has", [{}, {"amx": True}, {"avx512_bf16": True}])
def test_auto_is_what_the_processor_is_fast_at(monkeypatch, has):
    give_processor(monkeypatch, **has)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for accelerator in ("cpu", "auto"):
        wanted = "bf16-mixed" if has else "32"
        assert resolve_precision("auto", accelerator) == wanted
    assert resolve_precision("32", "cpu") == "32"
    assert resolve_precision("bf16-mixed", "cpu") == "bf16-mixed"


def test_a_gpu_is_asked_itself(monkeypatch):
    give_processor(monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert resolve_precision("auto", "cuda") == resolve_precision("auto", "auto") == "bf16-mixed"
    assert resolve_precision("auto", "cpu") == "32"


def test_only_known_precisions():
    assert SeparationOptions(precision="bf16-mixed").resolved("paper").precision == "bf16-mixed"
    with pytest.raises(ValueError, match="precision must be one of 32, bf16-mixed, auto"):
        SeparationOptions(precision="16")
