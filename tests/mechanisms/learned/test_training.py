from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch

from walras.core import fingerprint
from walras.envs import ResourceAllocation
from walras.mechanisms import (
    AllocationProblem,
    Dense,
    ExPFNet,
    ExSNet,
    FitSettings,
    Fitted,
    Mechanism,
    Misreport,
    ProportionalFairness,
    RPFNet,
    Search,
    Types,
    Untruthful,
    best_misreport,
    fit,
    load,
    nash_welfare,
    save,
    utility,
)
from walras.mechanisms.learned import training as module
from walras.mechanisms.learned.distributions import Population

Net: TypeAlias = RPFNet | ExPFNet | ExSNet
SHORT = FitSettings(steps=7, batch=8, profiles=24, candidates=3, climbs=1, save_every=3)


pytestmark = pytest.mark.usefixtures("one_thread")


def equal(one: Net, two: Net) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def short(mechanism: Net, folder: Path | None = None, settings: FitSettings = SHORT, seed: int = 0) -> Fitted[Any]:
    return fit(mechanism, Types(3, 2), settings, seed=seed, folder=folder, progress=False)


@pytest.mark.parametrize("kind", [RPFNet, ExPFNet, ExSNet])
def test_a_training_killed_after_any_step_resumes_to_the_same_weights(
    kind: type[Net], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = short(kind())
    advance = module._Run.advance
    for at in (2, 3, 5, 7):
        folder = tmp_path / str(at)
        steps = [0]

        def dying(run: object, at: int = at, steps: list[int] = steps) -> None:
            steps[0] += 1
            if steps[0] == at:
                raise KeyboardInterrupt
            advance(run)

        with monkeypatch.context() as patch:
            patch.setattr(module._Run, "advance", dying)
            with pytest.raises(KeyboardInterrupt):
                short(kind(), folder)
        resumed = short(kind(), folder)
        assert equal(resumed.mechanism, whole.mechanism)
        assert resumed.history == whole.history
    again = short(kind(), tmp_path / "7")  # finished: nothing is trained
    assert equal(again.mechanism, whole.mechanism)


def negated(mechanism: Net) -> Net:
    with torch.no_grad():
        for weight in mechanism.parameters():
            weight.neg_()
    return mechanism


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (lambda folder: short(ExSNet(), folder, seed=1), "seed"),
        (lambda folder: short(ExSNet(seed=1), folder), "mechanism"),
        (lambda folder: short(negated(ExSNet()), folder), "mechanism"),
        (lambda folder: short(RPFNet(), folder), "mechanism"),
        (lambda folder: short(ExSNet(), folder, replace(SHORT, target=0.2)), "settings"),
        (lambda folder: fit(ExSNet(), Types(4, 2), SHORT, folder=folder, progress=False), "population"),
        (
            lambda folder: fit(ExSNet(seed=1), Types(4, 2), SHORT, folder=folder, progress=False),
            "mechanism, population",
        ),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    other: Callable[[Path], object], named: str, tmp_path: Path
) -> None:
    short(ExSNet(), tmp_path)
    with pytest.raises(ValueError, match=f"`folder` must hold a training of .*; got 'another {named}'"):
        other(tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    short(ExSNet(), tmp_path)
    content = torch.load(tmp_path / "fit.pt")
    for lost in ("weights", "optimiser", "draw", "misreports", "scalars", "history"):
        torch.save({name: part for name, part in content.items() if name != lost}, tmp_path / "fit.pt")
        with pytest.raises(ValueError, match=rf"`path` must be a file of a training; got .*fit.pt.*KeyError: '{lost}'"):
            short(ExSNet(), tmp_path)
    del content["identity"]
    torch.save(content, tmp_path / "fit.pt")
    with pytest.raises(ValueError, match="`folder` must hold a training of"):
        short(ExSNet(), tmp_path)


def test_the_identity_of_a_game_sees_the_weights_of_its_mechanism(tmp_path: Path) -> None:
    games = [ResourceAllocation(mechanism=RPFNet(seed=seed)) for seed in (0, 1, 0)]
    one, other, again = map(fingerprint, games)
    assert one == again != other
    save(RPFNet(seed=0), tmp_path / "a.pt")
    assert fingerprint(ResourceAllocation(mechanism=load(tmp_path / "a.pt"))) == one


def test_seeds_decide_and_the_given_mechanism_stays_as_it_is() -> None:
    start = ExSNet()
    one, two, other = short(start), short(start), short(start, seed=1)
    assert equal(one.mechanism, two.mechanism)
    assert not equal(one.mechanism, other.mechanism)
    assert equal(start, ExSNet())
    assert not equal(one.mechanism, start)
    assert [len(values) for values in one.history.values()] == [7, 7, 7]


@pytest.mark.parametrize("kind", [RPFNet, ExPFNet, ExSNet])
def test_misreports_get_better_while_the_mechanism_stands_still(kind: type[Net]) -> None:
    settings = replace(SHORT, steps=40, learning_rate=1e-12, batch=24)
    gains = short(kind(), settings=settings).history["exploitability"]
    assert sum(gains[-10:]) > sum(gains[:10])


def test_the_multiplier_follows_the_constraint() -> None:
    tight = short(ExSNet(), settings=replace(SHORT, target=0.0)).history["multiplier"]
    loose = short(ExSNet(), settings=replace(SHORT, target=1.0)).history["multiplier"]
    assert tight == sorted(tight)
    assert loose == sorted(loose, reverse=True)


def test_a_network_learns_to_be_fair_where_exploitability_does_not_count() -> None:
    types = Types(3, 2).sample(100, torch.Generator().manual_seed(9))

    def welfare(mechanism: Callable[..., torch.Tensor]) -> float:
        return float(nash_welfare(utility(mechanism(*types), types.values, types.demands)).mean())

    settings = FitSettings(target=10.0, steps=150, batch=64, profiles=256, candidates=1, climbs=0)
    trained = fit(ExSNet(), Types(3, 2), settings, progress=False).mechanism
    best, before, after = welfare(ProportionalFairness()), welfare(ExSNet()), welfare(trained)
    assert best >= after
    assert best - after < 0.5 * (best - before)


@pytest.fixture(scope="module")
def regularised() -> RPFNet:
    """Return an RPF-Net trained at the defaults, as `benchmarks/learned_mechanisms.py` does."""
    return fit(RPFNet(), Types(3, 2), progress=False).mechanism


def judged(mechanism: Mechanism, types: AllocationProblem, search: Search) -> Misreport:
    return best_misreport(mechanism, types, "values+demands", max_demand=1.0, search=search)


@pytest.mark.slow
def test_rpf_net_is_less_exploitable_than_proportional_fairness_at_nearly_its_welfare(regularised: RPFNet) -> None:
    types = Types(3, 2).sample(60, torch.Generator().manual_seed(9))
    found = [judged(mechanism, types, Search(seeds=(0,))) for mechanism in (regularised, ProportionalFairness())]
    gains = [float(one.relative.mean()) for one in found]
    welfares = [float(one.honest.log().mean()) for one in found]
    assert gains[0] < 0.8 * gains[1]
    assert welfares[1] - 0.03 < welfares[0] <= welfares[1]


@pytest.mark.slow
def test_the_judge_finds_a_sixth_more_than_the_quick_search_in_rpf_net(regularised: RPFNet) -> None:
    types = Types(3, 2).sample(40, torch.Generator().manual_seed(2))
    fair, net = ProportionalFairness(), regularised
    assert float(judged(net, types, Search.quick()).relative.mean()) < 0.062
    assert float(judged(net, types, Search()).relative.mean()) > 0.07
    assert float(judged(fair, types, Search.quick()).relative.mean()) < 0.1036
    assert float(judged(fair, types, Search()).relative.mean()) > 0.1066


@pytest.mark.parametrize(
    "mechanism",
    [RPFNet(seed=3), ExPFNet(), ExSNet(seed=3), RPFNet(Dense(3, 2)), ExSNet(Dense(3, 2, 3, 2))],
    ids=["RPFNet", "ExPFNet", "ExSNet", "dense RPFNet", "dense ExSNet"],
)
def test_what_is_saved_is_what_is_loaded(mechanism: Net, tmp_path: Path) -> None:
    types = Types(3, 2).sample(3, torch.Generator().manual_seed(0))
    save(mechanism, tmp_path / "a.pt")
    again = load(tmp_path / "a.pt")
    assert type(again) is type(mechanism)
    assert torch.equal(again(*types), mechanism(*types))
    assert not any(weight.requires_grad for weight in again.parameters())


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with pytest.raises(FileNotFoundError):
        load(path)
    path.write_text("no mechanism")
    with pytest.raises(ValueError, match=r"`path` must be a file of a mechanism; got .*a.pt, which cannot be read"):
        load(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match=r"`path` must be a file of a mechanism; got '.*a.pt: None'"):
        load(path)
    short(ExSNet(), tmp_path)
    with pytest.raises(ValueError, match=r"`path` must be a file of a mechanism; got .*training"):
        load(tmp_path / "fit.pt")


def test_a_file_that_was_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save(ExPFNet(), path)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"`path` must be a file of a mechanism; got .*a.pt, which cannot be read"):
            load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 99}, r"`path` must be of version 2; got '.*a.pt: 99'"),
        ({"version": None}, r"`path` must be of version 2; got '.*a.pt: None'"),
        ({"kind": None}, r"`path` must be a file of a mechanism; got '.*a.pt: None'"),
        ({"mechanism": None}, r"got .*a.pt, which cannot be read \(KeyError: 'mechanism'\)"),
        ({"mechanism": "VCG"}, r"got .*a.pt, which cannot be read \(KeyError: 'VCG'\)"),
        ({"network": None}, r"got .*a.pt, which cannot be read \(KeyError: 'network'\)"),
        ({"network": ("Wide", {})}, r"got .*a.pt, which cannot be read \(KeyError: 'Wide'\)"),
        ({"network": ("Dense", {"depth": 3})}, r"got .*a.pt, which cannot be read \(TypeError: "),
        ({"network": ("Dense", {"agents": 3, "resources": 2})}, r"got .*a.pt, which cannot be read \(ValueError: "),
        ({"weights": None}, r"got .*a.pt, which cannot be read \(KeyError: 'weights'\)"),
        ({"weights": {}}, r"got .*a.pt, which cannot be read \(RuntimeError: "),
        ({"weights": 3}, r"got .*a.pt, which cannot be read \(TypeError: "),
    ],
    ids=str,
)
def test_headers_that_lack_something_are_refused_with_the_file(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.pt"
    save(ExSNet(), path)
    content = torch.load(path) | change
    torch.save({name: part for name, part in content.items() if part is not None}, path)
    with pytest.raises(ValueError, match=message):
        load(path)


@pytest.mark.parametrize(
    "population",
    [Types(4, 3), Types(4, 3, shape=(2.0, 5.0), correlation=0.5), Untruthful(Types(4, 3), 0.5)],
    ids=["even", "skewed", "untruthful"],
)
def test_populations_draw_legal_problems_of_their_size(population: Population) -> None:
    types = population.sample(50, torch.Generator().manual_seed(0))
    again = population.sample(50, torch.Generator().manual_seed(0))
    assert types.values.shape == types.demands.shape == (50, 4, 3)
    assert torch.equal(types.values, again.values)
    assert bool((types.values > 0).all())
    assert 0.1 <= float(types.demands.min()) <= float(types.demands.max()) <= 1
    assert types.budgets.unique().tolist() == [pytest.approx(1.1)]


def test_some_agents_of_an_untruthful_population_gain_by_their_reports() -> None:
    base, draw = Types(3, 2), torch.Generator
    true = base.sample(200, draw().manual_seed(0))
    told = Untruthful(base, 0.4).sample(200, draw().manual_seed(0))
    lied = (told.values != true.values).any(dim=2)
    assert 0.2 < float(lied.double().mean()) <= 0.45  # some who may lie have nothing to gain
    assert torch.equal(told.demands, true.demands)
    honest = Untruthful(base, 0.0).sample(20, draw().manual_seed(0))
    assert torch.equal(honest.values, base.sample(20, draw().manual_seed(0)).values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FitSettings(target=-1.0), "`target` must not be negative; got -1.0"),
        (lambda: FitSettings(batch=0), "`batch` must be at least 1; got 0"),
        (lambda: FitSettings(climbs=-1), "`climbs` must not be negative; got -1"),
        (lambda: FitSettings(learning_rate=0.0), "`learning_rate` must be positive; got 0.0"),
        (lambda: FitSettings(misreports="all"), "`misreports` must be one of"),
        (lambda: Types(0, 2), "`agents` must be at least 1; got 0"),
        (lambda: Types(2, 2, correlation=2.0), r"`correlation` must be in \[0, 1\]; got 2.0"),
        (lambda: Types(2, 2, shape=(0.0, 1.0)), "`shape` must hold two positive numbers; got"),
        (lambda: Untruthful(Types(), 1.5), r"`share` must be in \[0, 1\]; got 1.5"),
    ],
)
def test_bad_settings_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
