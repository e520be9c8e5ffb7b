"""Choosing a row's parameters on the validation split: every combination, or a search that learns on the way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Sequence
from typing import Any

from ctpbench.contract.better import cost
from ctpbench.contract.components import Better
from ctpbench.errors import InputError
from ctpbench.running.record import Parameters, Trial
from ctpbench.suite.entries import Tune
from ctpbench.suite.sections import Range


def proposals(tune: Tune, better: Better) -> Generator[list[Parameters], Sequence[Trial], None]:
    """Yield batches of parameters to try; each is answered by ``send`` with the trials in the same order."""
    if tune.search == "exhaustive":
        names = list(tune.parameters)
        combinations = itertools.product(*(_values(tune.parameters[name]) for name in names))
        yield [dict(zip(names, values, strict=True)) for values in combinations]
    else:
        yield from _tpe(tune, better)


def best(trials: Sequence[Trial], better: Better) -> Trial | None:
    """Return the trial with the best value, the first of equals; None where all failed."""
    scored = [(cost(trial.value, better), trial) for trial in trials if trial.value is not None]
    return min(scored, key=lambda pair: pair[0], default=(0.0, None))[1]


def at_edge(tune: Tune, chosen: Parameters) -> list[str]:
    """Return the numeric parameters that ended at an edge of what was allowed: a wider grid may do better."""
    edges = []
    for name, allowed in tune.parameters.items():
        if isinstance(allowed, Range):
            span = math.log(allowed.high / allowed.low) if allowed.log else allowed.high - allowed.low
            gaps = [
                abs(math.log(chosen[name] / end)) if allowed.log else abs(chosen[name] - end)
                for end in (allowed.low, allowed.high)
            ]
            if min(gaps) < 0.01 * span:
                edges.append(name)
        elif _ordered(allowed) and chosen[name] in (min(allowed), max(allowed)):
            edges.append(name)
    return edges


def _ordered(values: Sequence[Any]) -> bool:
    return len(values) > 2 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _values(allowed: Any) -> Sequence[Any]:
    assert not isinstance(allowed, Range)
    values: Sequence[Any] = allowed
    return values


def _tpe(tune: Tune, better: Better) -> Generator[list[Parameters], Sequence[Trial], None]:
    """Ask Optuna's tree-structured Parzen estimator (Bergstra 2011) for one trial after the other, seeded."""
    try:
        import optuna
    except ImportError:
        raise InputError(
            "tune.search: tpe needs Optuna; pip install 'ctpbench[tpe]', or use search: exhaustive"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=tune.seed))
    for _ in range(tune.trials or 0):
        asked = study.ask()
        parameters = {name: _suggest(asked, name, allowed) for name, allowed in tune.parameters.items()}
        (answer,) = yield [parameters]
        if answer.value is None:
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(asked, cost(answer.value, better))


def _suggest(asked: Any, name: str, allowed: Any) -> Any:
    if not isinstance(allowed, Range):
        return asked.suggest_categorical(name, list(allowed))
    if isinstance(allowed.low, int) and isinstance(allowed.high, int):
        return asked.suggest_int(name, allowed.low, allowed.high, log=allowed.log)
    return asked.suggest_float(name, allowed.low, allowed.high, log=allowed.log)
