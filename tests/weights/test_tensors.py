import pytest
import torch
from torch.testing import assert_close

from asteroid_instglow.weights.tensors import read_tensors, write_tensors


@pytest.fixture
def state():
    torch.manual_seed(0)
    matrix = torch.randn(80, 70) * torch.logspace(-3, 1, 80)[:, None]
    state = {"a.matrix": matrix, "b.matrix": matrix.clone(), "a.stack": torch.randn(4, 40, 50)}
    state |= {"a.bias": torch.randn(80), "a.zero": torch.zeros(80, 70)}
    state["a.kernel"] = torch.randn(70, 70, 1)
    return state | {"a.n": torch.tensor(3)}


@pytest.mark.parametrize("bits, error", [(32, 0.0), (16, 6e-4), (8, 4.5e-3)])
def test_weights_come_back_within_the_precision_of_their_bits(state, tmp_path, bits, error):
    path = tmp_path / "model.safetensors"
    write_tensors(path, state, bits)
    found = read_tensors(path)
    assert found.keys() == state.keys()
    for name, value in state.items():
        if value.is_floating_point():
            assert found[name].dtype == torch.float32
            largest = value.abs().flatten(-2 if name == "a.kernel" else -1).amax(-1, keepdim=True)
            largest = largest[..., None] if name == "a.kernel" else largest
            assert ((found[name] - value).abs() <= error * largest + 1e-12).all(), name
        else:
            assert torch.equal(found[name], value)
    assert found["a.matrix"] is found["b.matrix"]
    assert_close(read_tensors(path, "b.")["matrix"], found["b.matrix"], rtol=0, atol=0)


def test_eight_bits_take_a_quarter_of_the_space(state, tmp_path):
    sizes = []
    for bits in (32, 8):
        write_tensors(tmp_path / "x", state, bits)
        sizes.append((tmp_path / "x").stat().st_size)
    assert sizes[1] < 0.35 * sizes[0]
