r"""Forecasts of the 24 prices of a day from what is known at its auction, and how far they miss.

One auction sets all prices of a day at noon of the day before. A forecaster of day D may use prices up to D - 1, the
forecast of the load of D, and what is known of wind, sun and the other must-run plants then; nothing later.

==================  ===============================================================================================
forecaster          rule
==================  ===============================================================================================
`lag`               the price so many days before
`similar_day`       of a week before on Mondays, Saturdays and Sundays, else of yesterday
`sparse_ar`         least squares on hourly lags around 1, 24, 48, 72 and 168 hours and weekdays, iterated over the day
`arima`             a seasonal ARIMA of the hours, fitted once on a year, its state updated daily
`sarima_load`       the same with the load's forecast
`lasso`             one lasso for each hour [1]_: prices at that hour 1, 2 and 7 days before; yesterday's last, least,
                    largest and mean; load forecasts of D, D - 1 and D - 7; weekdays
`lasso_fixed`       the same, fitted once on all days before, its penalty chosen by cross-validation
`lasso_with_all`    `lasso` with the other forecasts for the day, the day before and a week before
`lasso_look_ahead`  `lasso` with the forecasts of wind and sun for D and D - 1, and the daily means of load and wind: in
                    Spain those for D are published after the auction
`structural`        the competitive price of the fleet at the net load that is known, with mark-ups that are fitted
                    once (`marked_up`), corrected by one lasso for each hour on its own errors of 1, 2 and 7 days before
`joint`             `lasso` with competitive prices of D and D - 1, and of the days before as its prices
==================  ===============================================================================================

Lassos are fitted anew each day on the `WINDOW` days before, their penalty chosen by Akaike's criterion.

References
----------
.. [1] F. Ziel and R. Weron, Day-Ahead Electricity Price Forecasting with High-Dimensional Structures: Univariate vs.
   Multivariate Modeling Frameworks, Energy Economics 70, 2018.
"""

# pandas, scikit-learn and statsmodels ship no stubs, or incomplete ones.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportMissingModuleSource=false

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd
from scipy import stats

from walras.core.checks import require, require_each
from walras.core.lazy import needed
from walras.core.typing import Floats
from walras.markets.electricity.data import ZONE
from walras.markets.electricity.price_level import LATE, MEMBERS, competitive_price, known_net_load, score

WINDOW = 728
"""Days on which a lasso is fitted."""
YEAR = 365
"""Days on which an ARIMA is fitted."""
LAGS = (1, 2, 3, 23, 24, 25, 47, 48, 49, 71, 72, 73, 167, 168, 169)
"""Hours, of the sparse autoregression."""
EARLIEST = 7
"""Days before a day that its features reach back."""


@final
@dataclass(frozen=True, eq=False)
class Days:
    """D local days of 24 hours; the hour that comes twice in autumn is averaged, the one left out in spring filled."""

    date: "np.ndarray[Any, np.dtype[np.datetime64]]"  # [D]
    price: Floats  # [D, 24] EUR/MWh, day ahead
    actual: Floats  # [D, 24] EUR/MWh, the final price
    load: Floats  # [D, 24] MW, the forecast known at the auction
    competitive: Floats  # [D, 24] EUR/MWh of the fleet at the net load known at the auction; NaN in the first days
    others: Floats  # [D, X, 24] MW, other forecasts for the day: of Spain's wind and sun, published after the auction

    @cached_property
    def weekday(self) -> Floats:
        """Whether a day is Monday, Tuesday, and so on, ``[D, 7]``."""
        return np.eye(7)[pd.DatetimeIndex(self.date).day_of_week]

    def until(self, last: int) -> "Days":
        """Return the first `last` days."""
        parts = self.price, self.actual, self.load, self.competitive, self.others
        return Days(self.date[:last], *(part[:last] for part in parts))

    def position(self, date: str) -> int:
        """Return the place of a day.

        Raises
        ------
        ValueError
            If it is no day of the table.
        """
        try:
            asked = np.datetime64(date, "D")
        except ValueError:
            asked = np.datetime64("NaT")
        at = np.flatnonzero(self.date == asked)
        require(at.size == 1, "start", f"be a day from {self.date[0]} to {self.date[-1]}", date)
        return int(at[0])


Forecaster: TypeAlias = Callable[[Days, int], Floats]
"""From the days and the first that is forecast, to forecasts of it and all that follow, ``[D - first, 24]``."""


def days_of(frame: pd.DataFrame) -> Days:
    """Return the days of a table as `walras.markets.electricity.data.load_spain` returns it, without days in part."""
    local = frame["timestamp_utc"].dt.tz_convert(ZONE).dt.tz_localize(None)
    known = frame.assign(competitive=competitive_price(known_net_load(frame, "noon")))
    cells = known.assign(day=local.dt.normalize(), hour=local.dt.hour).groupby(["day", "hour"])
    names = ("price_day_ahead_eur_mwh", "price_actual_eur_mwh", "load_forecast_mw", "competitive")
    tables = [cells[name].mean().unstack() for name in (*names, "wind_forecast_mw", "solar_forecast_mw")]
    whole = np.asarray(tables[0].notna().sum(axis=1), dtype=np.int64) >= 23  # hours, of the day in spring
    price, actual, load, competitive, *others = (
        table[whole].interpolate(axis=1, limit_direction="both").to_numpy(dtype=np.float64) for table in tables
    )
    date = tables[0].index[whole].to_numpy().astype("datetime64[D]")
    return Days(date, price, actual, load, competitive, np.stack(others, axis=1))


def lag(days: int) -> Forecaster:
    """Return the forecaster that repeats the price of so many days before."""
    return lambda known, first: known.price[first - days : len(known.price) - days].copy()


def similar_day(days: Days, first: int) -> Floats:
    """Forecast by the day of a week before on Mondays, Saturdays and Sundays, else by yesterday."""
    late = np.isin(np.argmax(days.weekday[first:], axis=1), LATE)
    return np.where(late[:, None], lag(7)(days, first), lag(1)(days, first))


def sparse_ar(days: Days, first: int) -> Floats:
    """Forecast by an autoregression of the hours with few lags, fitted once on all before `first`."""
    hours, longest = days.price.ravel(), max(LAGS)
    weekday = np.repeat(days.weekday, 24, axis=0)
    rows = np.arange(longest, 24 * first)
    lagged = np.stack([hours[rows - lag] for lag in LAGS], axis=1)
    fitted, *_ = np.linalg.lstsq(np.hstack((lagged, weekday[rows])), hours[rows], rcond=None)
    found = np.empty((len(days.price) - first, 24))
    for k, day in enumerate(range(first, len(days.price))):
        path = np.concatenate((hours[24 * day - longest : 24 * day], np.zeros(24)))
        for hour in range(24):
            before = path[longest + hour - np.array(LAGS)]
            path[longest + hour] = np.concatenate((before, days.weekday[day])) @ fitted
        found[k] = path[longest:]
    return found


def arima(order: tuple[int, int, int], seasonal: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Forecaster:
    """Return the forecaster by a seasonal ARIMA, of `order` and of the seasonal order and period.

    It is fitted once by maximum likelihood on the `YEAR` days before the first that is forecast, or on all if there are
    fewer.
    """

    def forecast(days: Days, first: int) -> Floats:
        return _arima(days, first, {"order": order, "seasonal_order": seasonal}, None)

    return forecast


def sarima_load(days: Days, first: int) -> Floats:
    """Forecast by a SARIMA(1,0,1)(1,1,1) of 24 hours with the load's forecast, fitted as in `arima`."""
    return _arima(days, first, {"order": (1, 0, 1), "seasonal_order": (1, 1, 1, 24)}, days.load / 1_000)


def _arima(days: Days, first: int, orders: dict[str, Any], beside: Floats | None) -> Floats:
    """Return forecasts by an ARIMA of the prices, with a forecast ``[D, 24]`` beside them or none."""
    models = needed("statsmodels.tsa.statespace.sarimax", "forecast")
    year = slice(max(first - YEAR, 0), first)
    seen = None if beside is None else beside[year].ravel()
    found = np.empty((len(days.price) - first, 24))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of starting values
        state = models.SARIMAX(days.price[year].ravel(), exog=seen, **orders).fit(disp=False, maxiter=100)
        for k, price in enumerate(days.price[first:]):
            now = {} if beside is None else {"exog": beside[first + k][:, None]}
            found[k] = state.forecast(24, **now)
            state = state.extend(price, **now)
    return found


def lasso(days: Days, first: int) -> Floats:
    """Forecast each hour by a lasso on prices, load forecasts and weekdays."""
    return _by_hour(days, first, lambda hour: statistical_features(days, hour), days.price)


def lasso_fixed(days: Days, first: int) -> Floats:
    """Forecast as `lasso`, fitted once on all days before the first, its penalty by cross-validation in five parts."""
    linear, selection = needed("sklearn.linear_model", "forecast"), needed("sklearn.model_selection", "forecast")
    found = np.empty((len(days.price) - first, 24))
    end = first - EARLIEST
    for hour in range(24):
        seen, wanted = statistical_features(days, hour), days.price[EARLIEST:, hour]
        middle, spread = _scale(seen[:end])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of paths that end early
            model = linear.LassoCV(cv=selection.TimeSeriesSplit(5)).fit((seen[:end] - middle) / spread, wanted[:end])
        found[:, hour] = model.predict((seen[end:] - middle) / spread)
    return found


def lasso_with_all(days: Days, first: int) -> Floats:
    """Forecast as `lasso`, with the other forecasts for the day and those before: of use where they come in time."""
    return _by_hour(days, first, lambda hour: _all_features(days, hour), days.price)


def lasso_look_ahead(days: Days, first: int) -> Floats:
    """Forecast as `lasso`, with the forecasts of wind and sun for the day, which are published after the auction."""
    return _by_hour(days, first, lambda hour: _ahead_features(days, hour), days.price)


def joint(days: Days, first: int) -> Floats:
    """Forecast as `lasso`, with competitive prices among its features: structure inside the statistical model."""
    return _by_hour(days, first, lambda hour: _joint_features(days, hour), days.price)


def structural(days: Days, first: int) -> Floats:
    """Forecast by the price with mark-ups, corrected by what its errors of the days before tell of the next."""
    priced = replace(days, competitive=marked_up(days, first))
    error = priced.price - priced.competitive
    return priced.competitive[first:] + _by_hour(priced, first, lambda hour: structural_features(priced, hour), error)


def marked_up(days: Days, first: int) -> Floats:
    """Return the competitive prices with the mark-up of the block that sets each, ``[D, 24]`` EUR/MWh.

    Mark-ups are what prices, less their level, lie above competitive ones on the `WINDOW` days before `first`, by least
    squares that keep the merit order: offers rise with costs. The level is the mean error of the seven days before
    each.
    """
    isotonic = needed("sklearn.isotonic", "forecast")
    error = days.price - days.competitive
    begun = max(first - WINDOW, EARLIEST + int(np.argmax(np.isfinite(error).all(axis=1))))
    level = np.array([error[day - EARLIEST : day].mean() for day in range(begun, first)])
    cost, offer = days.competitive[begun:first].ravel(), (days.price[begun:first] - level[:, None]).ravel()
    fitted = isotonic.IsotonicRegression(out_of_bounds="clip").fit(cost, offer)
    there = np.isfinite(days.competitive)
    found = np.full(days.competitive.shape, np.nan)
    found[there] = fitted.predict(days.competitive[there])
    return found


def statistical_features(days: Days, hour: int) -> Floats:
    """Return what the lasso of an hour sees of each day from `EARLIEST` on, ``[D - EARLIEST, F]``."""
    past = _before(days.price, hour)
    load = np.stack([_ago(days.load, ago)[:, hour] for ago in (0, 1, 7)], axis=1)
    return np.hstack((past, load, days.weekday[EARLIEST:]))


def _all_features(days: Days, hour: int) -> Floats:
    now = [_ago(days.others, ago)[:, :, hour] for ago in (0, 1, 7)]
    return np.hstack((statistical_features(days, hour), *now))


def _ahead_features(days: Days, hour: int) -> Floats:
    now = [_ago(days.others, ago)[:, :, hour] for ago in (0, 1)]
    means = [_ago(part, ago).mean(axis=1)[:, None] for part in (days.load, days.others[:, 0]) for ago in (0, 1)]
    return np.hstack((statistical_features(days, hour), *now, *means))


def _joint_features(days: Days, hour: int) -> Floats:
    priced = np.stack([_ago(days.competitive, ago)[:, hour] for ago in (0, 1)], axis=1)
    return np.hstack(
        (statistical_features(days, hour), np.nan_to_num(priced), np.nan_to_num(_before(days.competitive, hour)))
    )


def structural_features(days: Days, hour: int) -> Floats:
    """Return what the correction of an hour sees of each day from `EARLIEST` on, ``[D - EARLIEST, F]``.

    Competitive prices of the day and the day before, and errors of the days before as prices of the lasso.
    """
    priced = np.stack([_ago(days.competitive, ago)[:, hour] for ago in (0, 1)], axis=1)
    level = np.mean([_ago(days.price - days.competitive, ago).mean(axis=1) for ago in range(1, 8)], axis=0)
    parts = (priced, level[:, None], _before(days.price - days.competitive, hour), days.weekday[EARLIEST:])
    return np.nan_to_num(np.hstack(parts))


def _before(values: Floats, hour: int) -> Floats:
    """Return values at an hour 1, 2 and 7 days before, and yesterday's last, least, largest and mean."""
    yesterday = _ago(values, 1)
    ends = yesterday[:, 23], yesterday.min(axis=1), yesterday.max(axis=1), yesterday.mean(axis=1)
    return np.stack([*(_ago(values, ago)[:, hour] for ago in (1, 2, 7)), *ends], axis=1)


def _ago(values: Floats, days: int) -> Floats:
    """Return values so many days before each day from `EARLIEST` on."""
    return values[EARLIEST - days : len(values) - days]


def _by_hour(days: Days, first: int, features: Callable[[int], Floats], aim: Floats) -> Floats:
    """Return forecasts of ``aim [D, 24]`` by a lasso for each hour, fitted anew each day."""
    linear = needed("sklearn.linear_model", "forecast")
    found = np.empty((len(days.price) - first, 24))
    for hour in range(24):
        seen, wanted = features(hour), aim[EARLIEST:, hour]
        begun = int(np.argmax(~np.isnan(wanted)))
        for k in range(len(found)):
            end = first + k - EARLIEST
            part = slice(max(end - WINDOW, begun), end)
            found[k, hour] = _fitted(linear, seen[part], wanted[part], seen[end])
    return found


def _fitted(linear: Any, seen: Floats, wanted: Floats, now: Floats) -> float:  # noqa: ANN401 - scikit-learn
    middle, spread = _scale(seen)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of paths that end early
        model = linear.LassoLarsIC("aic").fit((seen - middle) / spread, wanted)
    return float(model.predict(((now - middle) / spread)[None])[0])


def _scale(seen: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of features, one where a feature is constant."""
    middle, spread = seen.mean(axis=0), seen.std(axis=0)
    spread[spread == 0] = 1.0
    return middle, spread


def errors(forecast: Floats, price: Floats, naive: Floats) -> dict[str, float]:
    """Return how far a forecast misses, all ``[D, 24]`` EUR/MWh.

    `mse` in squared units, `mae` and `rmse`; `rmae` is `mae` over that of a naive forecast, NaN if that never misses;
    `crps` scores the distribution of the forecast plus its own errors at the same hour of the `MEMBERS` days before,
    over the days after the first of these, NaN if there are none. `coverage_P` is the share of these
    hours whose price lies in the interval of P %, and `width_P` the mean width of that, by `intervals`.
    """
    missed = price - forecast
    mae, mse = float(np.abs(missed).mean()), float((missed**2).mean())
    worst = float(np.abs(price - naive).mean())
    rmae = mae / worst if worst > 0 else np.nan
    point = {"mse": mse, "mae": mae, "rmse": mse**0.5, "rmae": rmae, "crps": _crps(missed)}
    ends, last = intervals(missed), missed[MEMBERS:]
    if not len(last):
        return point | {f"{name}_{level:.0%}".rstrip("%"): np.nan for level in LEVELS for name in ("coverage", "width")}
    for level, (low, high) in zip(LEVELS, ends, strict=True):
        point[f"coverage_{level:.0%}".rstrip("%")] = float(((low <= last) & (last <= high)).mean())
        point[f"width_{level:.0%}".rstrip("%")] = float((high - low).mean())
    return point


LEVELS = (0.5, 0.8, 0.9)
"""Probabilities of the intervals that are judged; of 28 errors the least and the largest are 93 % apart."""


def intervals(missed: Floats, levels: tuple[float, ...] = LEVELS) -> Floats:
    """Return intervals of errors from those of the `MEMBERS` days before, ``[L, 2, D - MEMBERS, 24]``.

    Parameters
    ----------
    missed : Floats
        ``[D, 24]`` prices less forecasts.
    levels : tuple of float
        L probabilities, up to 27 / 29, of the least and the largest error. The ends are quantiles of the errors at the
        same hour, the k-th smallest of n at k / (n + 1): were errors exchangeable, the next would lie inside with
        exactly these probabilities where k is whole, and nearly so between.

    Raises
    ------
    ValueError
        If a probability is not positive, or larger than so many errors can tell.
    """
    most = (MEMBERS - 1) / (MEMBERS + 1)
    asked = np.array(levels)
    require_each((asked > 0) & (asked <= most), "levels", f"lie in (0, {most:.3g}], for {MEMBERS} errors", asked)
    if len(missed) <= MEMBERS:
        return np.empty((len(levels), 2, 0, 24))
    windows = np.lib.stride_tricks.sliding_window_view(missed[:-1], MEMBERS, axis=0)
    tails = [tail for level in levels for tail in ((1 - level) / 2, (1 + level) / 2)]
    ends = np.quantile(windows, tails, axis=-1, method="weibull")
    return ends.reshape(len(levels), 2, *ends.shape[1:])


def _crps(missed: Floats) -> float:
    if len(missed) <= MEMBERS:
        return float("nan")
    windows = np.lib.stride_tricks.sliding_window_view(missed[:-1], MEMBERS, axis=0)  # [D - MEMBERS, 24, MEMBERS]
    return float(score(windows, missed[MEMBERS:]).mean())


def diebold_mariano(missed: Floats, other: Floats, lags: int = 7) -> float:
    """Return the p-value against "the first is not the better forecast", from errors ``[D, 24]`` of both.

    The loss of a day is the sum of its squared errors; the mean difference is normal with the long-run variance of
    Newey and West with so many lags. One-sided; NaN where days are no more than lags.
    """
    worse = (other**2 - missed**2).sum(axis=1)
    if len(worse) <= lags:
        return float("nan")
    deviation = worse - worse.mean()
    weight = 1 - np.arange(1, lags + 1) / (lags + 1)
    covariance = [float(deviation[k:] @ deviation[:-k]) for k in range(1, lags + 1)]
    variance = (float(deviation @ deviation) + 2 * float(weight @ covariance)) / len(worse)
    if variance <= 0:
        return 1.0 if worse.mean() <= 0 else 0.0
    return float(stats.norm.sf(worse.mean() / (variance / len(worse)) ** 0.5))
