from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor

from walras.core.typing import Floats
from walras.mechanisms import (
    Egalitarian,
    EqualSplit,
    Mechanism,
    PartialAllocation,
    PostedSurcharge,
    ProportionalFairness,
    Utilitarian,
    efficiency,
    kept_share,
    nash_welfare,
    utility,
)

MECHANISMS: list[Mechanism] = [
    ProportionalFairness(),
    PartialAllocation(),
    EqualSplit(),
    PostedSurcharge(0.5),
    Utilitarian(),
    Egalitarian(),
]
NAMES = [type(mechanism).__name__ for mechanism in MECHANISMS]


pytestmark = pytest.mark.usefixtures("one_thread")


def instances(seed: int, rows: int, agents: int, resources: int) -> tuple[Tensor, Tensor, Tensor]:
    """Spec 9.2: values and demands U(.1, 1), budgets .275 N."""
    rng = np.random.default_rng(seed)
    v, x = (torch.from_numpy(rng.uniform(0.1, 1, (rows, agents, resources))) for _ in range(2))
    return v, x, torch.full((rows, resources), 0.275 * agents, dtype=torch.float64)


def random_weights(seed: int, rows: int, agents: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(0.5, 2, (rows, agents)))


def gains(
    mechanism: Mechanism,
    truth: tuple[Tensor, Tensor, Tensor],
    reports: int,
    demands_too: bool = False,
    weights: Tensor | None = None,
) -> Tensor:
    """Relative gain of agent 0 from random misreports, ``[B, reports]``; the others tell the truth."""
    v, x, b = (tensor.repeat_interleave(reports, dim=0) for tensor in truth)
    w = None if weights is None else weights.repeat_interleave(reports, dim=0)
    rng = np.random.default_rng(0)
    reported, wanted = v.clone(), x.clone()
    # Wild reports and small changes of the truth.
    factor = np.exp(rng.normal(0, rng.choice([0.1, 1, 3], (len(v), 1)), (len(v), v.shape[2])))
    reported[:, 0] *= torch.from_numpy(factor)
    if demands_too:
        wanted[:, 0] = torch.from_numpy(rng.uniform(0.1, 1, (len(v), v.shape[2]))).maximum(x[:, 0])
    honest = utility(mechanism(*truth, weights), truth[0], truth[1])[:, :1]
    lied = utility(mechanism(reported, wanted, b, w), v, x)[:, 0].reshape(-1, reports)
    return lied / honest - 1


def filled(demands: Floats, weights: Floats, budget: float) -> Floats:
    """Weighted water-filling of one resource by bisection."""
    low, high = 0.0, 1e4
    for _ in range(200):
        theta = (low + high) / 2
        low, high = (theta, high) if np.minimum(demands, theta * weights).sum() < budget else (low, theta)
    return np.minimum(demands, high * weights)


# All


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS, ids=NAMES)
def test_allocations_are_feasible(mechanism: Mechanism, weighted: bool) -> None:
    v, x, b = instances(0, 30, 4, 3)
    a = mechanism(v, x, b, random_weights(0, 30, 4) if weighted else None)
    assert a.shape == v.shape
    assert bool(((a >= 0) & (a <= x)).all())
    assert bool((a.sum(dim=1) <= b + 1e-9).all())


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=NAMES)
def test_rows_do_not_depend_on_each_other(mechanism: Mechanism) -> None:
    v, x, b = instances(1, 6, 3, 2)
    w = random_weights(1, 6, 3)
    a = mechanism(v, x, b, w)
    for i in range(6):
        one = slice(i, i + 1)
        assert torch.allclose(a[one], mechanism(v[one], x[one], b[one], w[one]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=NAMES)
def test_names_of_agents_and_resources_do_not_count(mechanism: Mechanism) -> None:
    v, x, b = instances(2, 20, 4, 3)
    b = b * torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    w, agents, resources = random_weights(2, 20, 4), torch.tensor([2, 0, 3, 1]), torch.tensor([2, 0, 1])

    def shuffle(tensor: Tensor) -> Tensor:
        return tensor[:, agents][:, :, resources]

    moved = mechanism(shuffle(v), shuffle(x), b[:, resources], w[:, agents])
    assert torch.allclose(shuffle(mechanism(v, x, b, w)), moved, rtol=0, atol=1e-7)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=NAMES)
def test_weights_of_one_are_the_default_and_may_be_shared_by_rows(mechanism: Mechanism) -> None:
    v, x, b = instances(3, 5, 3, 2)
    plain = mechanism(v, x, b)
    for ones in (torch.ones(3, dtype=torch.float64), torch.ones(5, 3, dtype=torch.float64)):
        assert torch.allclose(plain, mechanism(v, x, b, ones), rtol=0, atol=1e-12)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=NAMES)
def test_inputs_are_not_changed(mechanism: Mechanism) -> None:
    arguments = (*instances(4, 5, 3, 2), random_weights(4, 5, 3))
    before = [tensor.clone() for tensor in arguments]
    mechanism(*arguments).zero_()
    for tensor, old in zip(arguments, before, strict=True):
        assert torch.equal(tensor, old)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=NAMES)
def test_single_precision_means_the_same(mechanism: Mechanism) -> None:
    single = tuple(tensor.float() for tensor in (*instances(5, 5, 3, 2), random_weights(5, 5, 3)))
    double = tuple(tensor.double() for tensor in single)
    assert torch.allclose(mechanism(*single).double(), mechanism(*double), rtol=0, atol=1e-6)


@pytest.mark.parametrize("mechanism", [*MECHANISMS[:2], MECHANISMS[3]], ids=[*NAMES[:2], NAMES[3]])
def test_mechanisms_are_differentiable(mechanism: Mechanism) -> None:
    leaves = tuple(tensor.requires_grad_() for tensor in (*instances(6, 1, 2, 2), random_weights(6, 1, 2)))
    assert torch.autograd.gradcheck(mechanism, leaves, eps=1e-5, atol=1e-5, rtol=1e-4)


# Proportional fairness and the surcharge


def test_no_surcharge_is_proportional_fairness() -> None:
    arguments = (*instances(7, 20, 4, 3), random_weights(7, 20, 4))
    assert torch.equal(PostedSurcharge(0.0)(*arguments), ProportionalFairness()(*arguments))


def test_a_surcharge_lowers_what_is_allocated() -> None:
    v, x, b = instances(8, 100, 3, 3)
    shares = [float(efficiency(PostedSurcharge(tau)(v, x, b), x, b).mean()) for tau in (0, 0.5, 1, 2, 4, 8)]
    assert shares[0] == pytest.approx(1, abs=1e-6)
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(shares))
    assert shares[-1] < 0.5


@pytest.mark.parametrize("tau", [-0.1, np.nan])
def test_a_negative_surcharge_is_refused(tau: float) -> None:
    with pytest.raises(ValueError, match=f"`tau` must not be negative; got {tau}"):
        PostedSurcharge(tau)


def test_a_surcharge_that_leaves_every_budget_slack_is_truthful() -> None:
    # D1: uncapped, tau >= sum w / min b; then each faces posted prices alone.
    v, _, b = instances(9, 10, 3, 2)
    x = b[:, None].expand_as(v).contiguous()
    mechanism = PostedSurcharge(1.01 * 3 / float(b.min()))
    assert float(gains(mechanism, (v, x, b), 100).max()) < 1e-6


@pytest.mark.parametrize(("e", "measured"), [(0.5, 1.3331), (0.2, 1.6664), (0.1, 1.8178), (0.05, 1.9042)])
def test_the_worst_case_family_nearly_doubles_the_liars_utility(e: float, measured: float) -> None:
    # F6 (Chen, Deng, Zhang, Zhang, ICALP 2012): 2 / (1 + e); `measured` is that of the spec, section 3.1.
    d, wide = 1e-4, {"dtype": torch.float64}
    truth = torch.tensor([[[e, 1 - e], [e**2, 1 - e**2]]], **wide)
    lie = torch.tensor([[[e**2 * (1 + d), 1 - e**2], [e**2, 1 - e**2]]], **wide)
    ones, weights = torch.ones(1, 2, 2, **wide), torch.tensor([[e, 1 - e]], **wide)
    honest, lied = (
        utility(ProportionalFairness()(v, ones, ones[:, 0], weights), truth, ones)[0, 0].item() for v in (truth, lie)
    )
    assert honest == pytest.approx(e, abs=1e-6)
    assert lied / honest == pytest.approx(2 / (1 + e), rel=1e-2)
    assert lied / honest == pytest.approx(measured, rel=1e-2)
    assert lied / honest < 2


def test_without_demands_no_lie_doubles_a_utility() -> None:
    # F5
    v, _, b = instances(10, 40, 3, 2)
    x, w = b[:, None].expand_as(v).contiguous(), random_weights(10, 40, 3)
    found = gains(ProportionalFairness(), (v, x, b), 100, weights=w)
    assert float(found.max()) < 1
    assert float(found.max()) > 0.05


# Partial allocation


@pytest.mark.parametrize("agents", [2, 3, 4, 5])
def test_each_keeps_at_least_the_guaranteed_share(agents: int) -> None:
    v, x, b = instances(11, 100, agents, 3)
    share = kept_share(ProportionalFairness()(v, x, b), v, x, b)
    assert float(share.min()) >= (1 - 1 / agents) ** (agents - 1) - 1e-7  # P1
    assert float(share.max()) <= 1
    assert torch.allclose(PartialAllocation()(v, x, b), share[..., None] * ProportionalFairness()(v, x, b))


def test_each_keeps_at_least_the_guaranteed_share_with_weights() -> None:
    # P1: (1 + 1 / psi)^-psi with psi the weight of the others per weight of one's own.
    v, x, b = instances(12, 100, 3, 3)
    w = random_weights(12, 100, 3)
    share = kept_share(ProportionalFairness()(v, x, b, w), v, x, b, w)
    psi = (w.sum(dim=1, keepdim=True) - w) / w
    assert bool((share >= (1 + 1 / psi) ** -psi - 1e-7).all())
    assert bool((share <= 1).all())


@pytest.mark.parametrize("agents", [2, 3, 5])
def test_agents_who_want_the_same_keep_the_guaranteed_share(agents: int) -> None:
    # Closed form: one resource, no demand that binds: each would give the others n / (n - 1) times their share.
    v, x = torch.ones(1, agents, 1, dtype=torch.float64), torch.full((1, agents, 1), 2.0, dtype=torch.float64)
    a = PartialAllocation()(v, x, torch.ones(1, 1, dtype=torch.float64))
    assert a[0, :, 0].tolist() == pytest.approx([(1 - 1 / agents) ** (agents - 1) / agents] * agents, abs=1e-7)


def test_agents_in_nobodys_way_keep_all() -> None:
    v, x, b = instances(13, 10, 3, 2)
    b = 10 * b
    assert torch.allclose(PartialAllocation()(v, x, b), x, rtol=0, atol=1e-6)


def test_one_agent_keeps_all() -> None:
    v, x, b = instances(14, 10, 1, 3)
    assert torch.equal(PartialAllocation()(v, x, b), ProportionalFairness()(v, x, b))
    assert bool((kept_share(ProportionalFairness()(v, x, b), v, x, b) == 1).all())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("agents", [2, 3, 5])
def test_partial_allocation_is_truthful_in_values(agents: int, weighted: bool) -> None:
    truth = instances(15, 15, agents, 3)
    weights = random_weights(15, 15, agents) if weighted else None
    assert float(gains(PartialAllocation(), truth, 60, weights=weights).max()) < 1e-6


def test_proportional_fairness_is_not_truthful_in_values() -> None:
    assert float(gains(ProportionalFairness(), instances(15, 15, 2, 2), 60).amax(dim=1).mean()) > 0.02


def test_partial_allocation_is_not_truthful_in_demands() -> None:
    # Spec 3.3: a higher demand makes up for the burning.
    found = gains(PartialAllocation(), instances(16, 40, 2, 2), 60, demands_too=True)
    assert float(found.amax(dim=1).max()) > 0.01
    assert float((found.amax(dim=1) > 0.01).double().mean()) > 0.1


@pytest.mark.parametrize(
    ("agents", "resources", "sample", "fair", "partial", "kept"),
    [(2, 2, 40, 0.2918, 0.1945, 0.666), (3, 2, 40, 0.3152, 0.1868, 0.604), (5, 3, 30, 0.5160, 0.2834, 0.545)],
)
def test_means_are_those_of_the_reference(
    agents: int, resources: int, sample: int, fair: float, partial: float, kept: float
) -> None:
    # Spec 9.2: geometric means and efficiency, means over `sample` instances; three standard errors of both samples.
    v, x, b = instances(17, 400, agents, resources)
    bundle, burnt = ProportionalFairness()(v, x, b), PartialAllocation()(v, x, b)
    measured = [nash_welfare(utility(a, v, x)) for a in (bundle, burnt)] + [efficiency(burnt, x, b)]
    for mine, reference in zip(measured, (fair, partial, kept), strict=True):
        error = float(mine.std()) * (1 / 400 + 1 / sample) ** 0.5
        assert float(mine.mean()) == pytest.approx(reference, abs=3 * error)


def test_ten_agents_have_the_reference_means() -> None:
    # Spec 9.2, (10, 3): 12 instances, 6 for partial allocation.
    v, x, b = instances(18, 400, 10, 3)
    fair, partial = (nash_welfare(utility(m(v, x, b), v, x)) for m in (ProportionalFairness(), PartialAllocation()))
    assert float(fair.mean()) == pytest.approx(0.5239, abs=3 * float(fair.std()) * (1 / 400 + 1 / 12) ** 0.5)
    assert float(partial.mean()) == pytest.approx(0.2629, abs=3 * float(partial.std()) * (1 / 400 + 1 / 6) ** 0.5)


# Equal split


@pytest.mark.parametrize("weighted", [False, True])
def test_equal_split_is_water_filling(weighted: bool) -> None:
    v, x, b = instances(19, 60, 4, 3)
    rng = np.random.default_rng(19)
    x = x * torch.from_numpy(rng.choice([0.0, 0.3, 1.0, 1.0], tuple(x.shape)))  # ties at nothing
    b = b * torch.from_numpy(rng.choice([0.0, 0.2, 1.0, 4.0], tuple(b.shape)))
    w = random_weights(19, 60, 4) if weighted else torch.ones(60, 4, dtype=torch.float64)
    a = EqualSplit()(v, x, b, w if weighted else None)
    for i in range(60):
        for k in range(3):
            expected = filled(x[i, :, k].numpy(), w[i].numpy(), b[i, k].item())
            assert a[i, :, k].numpy() == pytest.approx(expected, abs=1e-12)


def test_equal_split_gives_all_that_is_demanded_up_to_the_budget() -> None:
    v, x, b = instances(20, 50, 4, 3)
    assert torch.allclose(EqualSplit()(v, x, b).sum(dim=1), torch.minimum(b, x.sum(dim=1)))


def test_equal_split_of_demands_that_use_the_budget_up_gives_each_its_demand() -> None:
    x = torch.tensor([[[0.25], [0.5], [0.25]]], dtype=torch.float64)
    assert torch.equal(EqualSplit()(x, x, torch.ones(1, 1, dtype=torch.float64)), x)


def test_equal_split_ignores_values() -> None:
    v, x, b = instances(21, 20, 3, 2)
    assert torch.equal(EqualSplit()(v, x, b), EqualSplit()(1 - v / 2, x, b))


def test_equal_split_is_truthful() -> None:
    assert float(gains(EqualSplit(), instances(22, 30, 3, 2), 60, demands_too=True).max()) < 1e-12


def test_proportional_fairness_has_the_largest_nash_welfare() -> None:
    v, x, b = instances(23, 50, 4, 3)
    best = nash_welfare(utility(ProportionalFairness()(v, x, b), v, x))
    for mechanism in MECHANISMS[1:]:
        assert bool((nash_welfare(utility(mechanism(v, x, b), v, x)) <= best + 1e-9).all())


# Utilitarian and egalitarian


def alone(truth: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    v, x, b = truth
    return utility(b[:, None].expand_as(v), v, x)


def scarce(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Instances with demands of nothing, worthless resources, and budgets from nothing to plenty."""
    rng = np.random.default_rng(seed)
    v, x, b = instances(seed, 40, 4, 3)
    v, x = (t * torch.from_numpy(rng.choice([0.0, 1.0, 1.0], tuple(t.shape))) for t in (v, x))
    b = b * torch.from_numpy(rng.choice([0.0, 0.2, 1.0, 4.0], tuple(b.shape)))
    able = (alone((v, x, b)) > 0).all(dim=1)
    assert int(able.sum()) >= 10
    return v[able], x[able], b[able]


@pytest.mark.parametrize("mechanism", [Utilitarian(), Egalitarian()])
def test_the_scale_of_values_does_not_count(mechanism: Mechanism) -> None:
    v, x, b = instances(24, 10, 3, 2)
    scaled = v * torch.tensor([1e-3, 1.0, 1e5], dtype=torch.float64)[:, None]
    assert torch.allclose(mechanism(v, x, b), mechanism(scaled, x, b), rtol=0, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_utilitarian_is_the_linear_programme(weighted: bool) -> None:
    truth = scarce(25)
    v, x, b = truth
    w = random_weights(25, *v.shape[:2])
    relative = w[..., None] * v / alone(truth)[..., None] if weighted else v / alone(truth)[..., None]
    mine = (relative * Utilitarian()(v, x, b, w if weighted else None)).sum(dim=(1, 2))
    for i, value in enumerate(mine.tolist()):
        best = linprog(
            -relative[i].ravel().numpy(),
            A_ub=np.tile(np.eye(3), 4),
            b_ub=b[i].numpy(),
            bounds=np.column_stack((np.zeros(12), x[i].ravel().numpy())),
        )
        assert value == pytest.approx(-best.fun, abs=1e-9)


def test_utilitarian_ties_share_in_proportion_to_their_demands() -> None:
    x = torch.tensor([[[0.3], [0.6], [0.9]]], dtype=torch.float64)
    v = 1 / x  # each would have 1 alone: relative values 1 / x
    v[0, 1:] = v[0, 1]
    x[0, 2] = 0.6
    a = Utilitarian()(v, x, torch.tensor([[0.9]], dtype=torch.float64))
    assert a.ravel().tolist() == pytest.approx([0.3, 0.3, 0.3])
    same = torch.tensor([[[1.0, 2.0], [1.0, 2.0]]], dtype=torch.float64)
    a = Utilitarian()(same, same, torch.ones(1, 2, dtype=torch.float64))
    assert a.ravel().tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("values", "demands", "weights", "expected"),
    [
        ([[1.0], [7.0]], [[0.5], [1.0]], [1.0, 1.0], [[1 / 3], [2 / 3]]),  # one resource: the same share of demand
        ([[1.0], [1.0]], [[1.0], [1.0]], [1.0, 3.0], [[0.25], [0.75]]),  # by weight
        ([[1.0], [1.0]], [[0.1], [1.0]], [1.0, 3.0], [[0.1 * 0.25 / 0.775], [0.75 / 0.775]]),
        ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], [[1.0, 0.0], [0.0, 1.0]]),  # no conflict
        ([[2.0, 1.0], [1.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], [[1.0, 0.0], [0.0, 1.0]]),
    ],
)
def test_egalitarian_answers_on_paper(
    values: list[list[float]], demands: list[list[float]], weights: list[float], expected: list[list[float]]
) -> None:
    v, x, w = (torch.tensor([part], dtype=torch.float64) for part in (values, demands, weights))
    a = Egalitarian()(v, x, torch.ones(1, v.shape[2], dtype=torch.float64), w)
    assert torch.allclose(a[0], torch.tensor(expected, dtype=torch.float64), atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_no_random_allocation_is_more_egalitarian(weighted: bool) -> None:
    truth = scarce(26)
    v, x, b = truth
    w = random_weights(26, *v.shape[:2]) if weighted else torch.ones(v.shape[:2], dtype=torch.float64)
    worst = (utility(Egalitarian()(v, x, b, w), v, x) / alone(truth) / w).amin(dim=1)
    rng = np.random.default_rng(26)
    for mechanism in MECHANISMS[:5]:
        assert bool(((utility(mechanism(v, x, b, w), v, x) / alone(truth) / w).amin(dim=1) <= worst + 1e-7).all())
    for _ in range(300):
        share = torch.from_numpy(rng.dirichlet(np.full(4, 0.7), (len(v), 3))).transpose(1, 2)
        other = utility(share * b[:, None], v, x) / alone(truth) / w
        assert bool((other.amin(dim=1) <= worst + 1e-7).all())


@pytest.mark.parametrize("mechanism", [Utilitarian(), Egalitarian()])
def test_nothing_useful_is_left_over(mechanism: Mechanism) -> None:
    v, x, b = scarce(27)
    a = mechanism(v, x, b)
    left = (b - a.sum(dim=1))[:, None]
    assert bool(((left < 1e-9) | (x - a < 1e-9) | (v == 0)).all())


def test_egalitarian_and_utilitarian_are_not_truthful() -> None:
    truth = instances(28, 10, 2, 2)
    for mechanism in (Utilitarian(), Egalitarian()):
        assert float(gains(mechanism, truth, 30).max()) > 0.05


@pytest.mark.parametrize("mechanism", [Utilitarian(), Egalitarian()])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": torch.ones(2, 2)}, "`values` must have 3 dimensions"),
        ({"demands": torch.ones(1, 2, 2)}, "`demands` must have the shape of values"),
        ({"budgets": torch.ones(1, 2)}, r"`budgets` must have the shape of values without agents, \(1, 3\)"),
        ({"values": -torch.ones(1, 2, 3)}, r"`values` must be finite and not negative; got -1\.0 at index"),
        ({"demands": torch.full((1, 2, 3), torch.inf)}, "`demands` must be finite and not negative"),
        ({"budgets": torch.full((1, 3), torch.nan)}, "`budgets` must be finite and not negative"),
        ({"weights": torch.tensor([1.0, 0.0])}, "`weights` must be positive; got 0"),
        ({"values": torch.eye(2, 3)[:, :3].flip(0)[None] * torch.tensor([1.0, 0, 0])}, "`values` must give each agent"),
        ({"budgets": torch.zeros(1, 3)}, "`values` must give each agent a resource"),
    ],
)
def test_bad_problems_are_refused_by_name(mechanism: Mechanism, change: dict[str, Tensor], message: str) -> None:
    good = {"values": torch.ones(1, 2, 3), "demands": torch.ones(1, 2, 3), "budgets": torch.ones(1, 3)}
    with pytest.raises(ValueError, match=message):
        mechanism(**(good | change))
