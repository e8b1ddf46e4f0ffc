import copy

import torch
from torch.testing import assert_close

from asteroid_instglow.training.muon import Muon, orthogonalise


def test_orthogonalise_keeps_the_directions_and_evens_the_lengths():
    torch.manual_seed(0)
    for shape in [(6, 10), (10, 6), (4, 5, 8)]:
        matrix = torch.randn(shape)
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        got = orthogonalise(matrix)
        values = torch.linalg.svdvals(got)
        assert (values > 0.5).all() and (values < 1.5).all()
        # Same singular vectors: in their basis it is diagonal.
        inner = u.transpose(-2, -1) @ got @ v.transpose(-2, -1)
        off = inner - torch.diag_embed(torch.diagonal(inner, dim1=-2, dim2=-1))
        assert off.abs().max() < 1e-4


def test_adam_part_is_adam():
    torch.manual_seed(0)
    mine, theirs = (torch.nn.Parameter(torch.ones(5)) for _ in range(2))
    ours = Muon({}, [mine], adam_lr=0.1)
    reference = torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.99))
    target = torch.randn(5)
    for _ in range(10):
        for parameter, optimizer in ((mine, ours), (theirs, reference)):
            optimizer.zero_grad()
            (parameter - target).square().sum().backward()
            optimizer.step()
    assert_close(mine, theirs)


def test_muon_fits_and_resumes_exactly():
    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randn(64, 3)

    def steps(net, optimizer, n):
        for _ in range(n):
            optimizer.zero_grad()
            loss = (net(x) - y).square().mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    def make():
        torch.manual_seed(1)
        net = torch.nn.Linear(8, 3)
        return net, Muon({1: [net.weight]}, [net.bias], lr=0.02)

    net, optimizer = make()
    first = steps(net, optimizer, 1)
    steps(net, optimizer, 19)
    saved = {k: v.clone() for k, v in net.state_dict().items()}
    state = copy.deepcopy(optimizer.state_dict())
    assert steps(net, optimizer, 20) < 0.8 * first
    again, other = make()
    again.load_state_dict(saved)
    other.load_state_dict(state)
    steps(again, other, 20)
    assert torch.equal(again.weight, net.weight) and torch.equal(again.bias, net.bias)


def test_stacked_matrices_move_on_their_own_also_beside_others():
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.zeros(12, 5)) for _ in range(2)]
    optimizer = Muon({4: weights}, [], lr=1.0, momentum=0.0)
    for weight in weights:
        weight.grad = torch.randn(12, 5)
    optimizer.step()
    for weight in weights:
        for moved, gradient in zip(weight.detach().split(3), weight.grad.split(3), strict=True):
            assert_close(-moved, orthogonalise(gradient))
