from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch

from walras.mechanisms import (
    AllocationProblem,
    Dense,
    Exchangeable,
    ExPFNet,
    ExSNet,
    ProportionalFairness,
    RPFNet,
    Types,
    utility,
)
from walras.mechanisms.learned.networks import outcome, reported

Net: TypeAlias = RPFNet | ExPFNet | ExSNet
Kind: TypeAlias = type[Net]
MECHANISMS: list[Kind] = [RPFNet, ExPFNet, ExSNet]


pytestmark = pytest.mark.usefixtures("one_thread")


def even(rows: int, agents: int, resources: int) -> AllocationProblem:
    return Types(agents, resources).sample(rows, torch.Generator().manual_seed(0))


def stirred(kind: Kind) -> Net:
    """Return a mechanism whose weights are not those of the start."""
    mechanism = kind()
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in mechanism.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return mechanism


@pytest.mark.parametrize("kind", MECHANISMS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (6, 4)])
def test_allocations_are_feasible_for_every_size(kind: Kind, size: tuple[int, int]) -> None:
    types = even(20, *size)
    a = stirred(kind)(*types)
    assert a.shape == types.values.shape
    assert float(a.min()) >= 0
    assert bool((a <= types.demands + 1e-12).all())
    assert bool((a.sum(dim=1) <= types.budgets + 1e-9).all())


@pytest.mark.parametrize("kind", MECHANISMS)
def test_names_of_agents_and_resources_do_not_count(kind: Kind) -> None:
    v, x, b, _ = even(10, 4, 3)
    agents, resources = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 0])
    mechanism = stirred(kind)
    whole = mechanism(v, x, b)[:, agents][:, :, resources]
    swapped = mechanism(v[:, agents][:, :, resources], x[:, agents][:, :, resources], b[:, resources])
    torch.testing.assert_close(utility(swapped, v[:, agents][:, :, resources], x[:, agents][:, :, resources]),
                               utility(whole, v[:, agents][:, :, resources], x[:, agents][:, :, resources]),
                               rtol=1e-6, atol=1e-7)  # fmt: skip


@pytest.mark.parametrize("kind", MECHANISMS)
def test_the_scale_of_an_agents_values_does_not_count(kind: Kind) -> None:
    v, x, b, _ = even(10, 3, 2)
    mechanism, scale = stirred(kind), torch.tensor([[[10.0], [0.01], [1.0]]], dtype=torch.float64)
    one, two = (utility(mechanism(values, x, b), v, x) for values in (v, v * scale))
    torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", MECHANISMS)
def test_units_of_resources_do_not_count(kind: Kind) -> None:
    v, x, b, _ = even(10, 3, 2)
    mechanism, unit = stirred(kind), torch.tensor([100.0, 0.1], dtype=torch.float64)
    one = utility(mechanism(v, x, b), v, x)
    two = utility(mechanism(v / unit, x * unit, b * unit), v / unit, x * unit)
    torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", [RPFNet, ExPFNet])
def test_without_a_surcharge_it_is_proportional_fairness(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    types, mechanism = even(10, 3, 2), kind()
    monkeypatch.setattr(mechanism, "score", lambda entries: torch.full_like(entries[..., 0], -100.0))
    torch.testing.assert_close(mechanism(*types), ProportionalFairness()(*types), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [RPFNet, ExPFNet])
def test_surcharges_are_prices(kind: Kind) -> None:
    types = even(10, 3, 2)
    z = stirred(kind).surcharge(types.values, types.demands, types.budgets)
    assert z.shape == types.values.shape
    assert float(z.min()) > 0
    # Twice the money doubles the surcharge.
    twice = stirred(kind).surcharge(types.values, types.demands, types.budgets, torch.full((3,), 2.0))
    torch.testing.assert_close(twice, 2 * z, rtol=1e-6, atol=1e-8)


def test_the_synthetic_agent_takes_what_is_not_shared() -> None:
    v, x, b, _ = even(20, 3, 2)
    mechanism = stirred(ExSNet)
    shares = mechanism.shares(v, x, b)
    assert shares.shape == (20, 4, 2)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(20, 2, dtype=torch.float64))
    roomy = torch.full_like(x, 10.0)  # no demand binds: what is left is the synthetic agent's share
    left = 1 - mechanism(v, roomy, b).sum(dim=1) / b
    torch.testing.assert_close(left, mechanism.shares(v, roomy, b)[:, -1])


@pytest.mark.parametrize("kind", MECHANISMS)
def test_gradients_through_reports_and_weights_agree_with_differences(kind: Kind) -> None:
    v, x, b, _ = even(1, 3, 2)
    mechanism = stirred(kind)
    v = v.requires_grad_()
    u = utility(mechanism(v, x, b), v.detach(), x).sum()
    slopes = torch.autograd.grad(u, [v, *mechanism.parameters()])
    step = 1e-6
    with torch.no_grad():
        for i, k in ((0, 0), (2, 1)):
            moved = [v.detach().clone() for _ in range(2)]
            for sign, one in zip((1, -1), moved, strict=True):
                one[0, i, k] += sign * step
            up, down = (utility(mechanism(one, x, b), v, x).sum() for one in moved)
            assert float(slopes[0][0, i, k]) == pytest.approx(float((up - down) / 2 / step), rel=1e-3, abs=1e-4)
        weight, slope = next(iter(mechanism.parameters())), slopes[1]
        place = tuple(int(p) for p in torch.nonzero(slope == slope.abs().max() * slope.sign())[0])
        ends = []
        for sign in (1, -2):
            weight[place] += sign * step
            ends.append(utility(mechanism(v, x, b), v, x).sum())
        assert float(slope[place]) == pytest.approx(float((ends[0] - ends[1]) / 2 / step), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("kind", MECHANISMS)
def test_single_precision_and_views_are_taken(kind: Kind) -> None:
    v, x, b, _ = even(4, 3, 2)
    mechanism = stirred(kind)
    whole = mechanism(v, x, b)
    assert mechanism(v.float(), x.float(), b.float()).dtype == torch.float64
    view = v.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(mechanism(view, x, b), whole)


def test_the_dense_network_serves_one_size() -> None:
    mechanism = RPFNet(Dense(3, 2))
    assert mechanism(*even(4, 3, 2)).shape == (4, 3, 2)
    with pytest.raises(ValueError, match=r"`values` must have the network's N and M, \(3, 2\); got \(4, 2\)"):
        mechanism(*even(4, 4, 2))


def test_equal_seeds_give_equal_networks_and_leave_the_global_one_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(())
    torch.manual_seed(5)
    one, two, other = Exchangeable(seed=1), Exchangeable(seed=1), Exchangeable(seed=2)
    assert torch.equal(torch.rand(()), expected)
    entries = outcome(*even(2, 3, 2)[:3])
    assert torch.equal(one(entries), two(entries))
    assert not torch.equal(one(entries), other(entries))


def test_what_networks_see_has_no_units_and_tells_who_is_full() -> None:
    v, x, b, _ = even(50, 3, 2)
    seen = outcome(v, x, b)
    assert seen.shape == (50, 3, 2, 7)
    torch.testing.assert_close(seen[..., :3], reported(v, x, b))
    full = seen[..., 3] > 1 - 1e-6
    assert bool(full.any())
    # Worth exceeds the price only where the demand binds.
    assert float(seen[..., 4][~full].max()) < 1e-3
    assert float(seen[..., 4][full].max()) > 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RPFNet(Exchangeable(outputs=2)), "`network` must have one output; got 2"),
        (lambda: ExSNet(Exchangeable(3, 1)), "`network` must have two outputs; got 1"),
        (lambda: Exchangeable(width=0), "`width` must be at least 1; got 0"),
        (lambda: Dense(0, 2), "`agents` must be at least 1; got 0"),
    ],
)
def test_bad_networks_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", [RPFNet, ExPFNet])
def test_bad_reports_are_refused(kind: Kind) -> None:
    v, x, b, _ = even(2, 3, 2)
    v[1, 2] = 0
    with pytest.raises(ValueError, match="`values` must give each agent a resource"):
        kind()(v, x, b)
