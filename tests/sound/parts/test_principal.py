"""Principal components: what they are, and that rounding errors do not change them."""

import torch

from ostinato.sound.parts.principal import UNIT, principal_axes


def rows() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(40, 40, generator=generator))[0]
    spread = 2.0 ** -torch.arange(40)
    return torch.randn(500, 40, generator=generator) * spread @ mixing + 3


def test_axes_are_those_of_a_singular_value_decomposition():
    some = rows()
    mean, axes = principal_axes(some, 5)
    true = torch.linalg.svd(some - some.mean(0), full_matrices=False)[2][:5].T
    torch.testing.assert_close(mean, some.mean(0))
    torch.testing.assert_close((axes * true).sum(0).abs(), torch.ones(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(axes.T @ axes, torch.eye(5), atol=40 * UNIT, rtol=0)


def test_rounding_errors_leave_no_trace():
    some = rows().double()
    torch.manual_seed(0)
    _, axes = principal_axes(some, 5)
    for seed in range(5):
        noise = torch.randn(some.shape, generator=torch.Generator().manual_seed(seed))
        torch.manual_seed(0)
        _, again = principal_axes(some + 1e-14 * noise, 5)
        assert torch.equal(axes, again)
