"""How right answers are, by each measure of ``records.metrics.MEASURES``, and how sure that figure is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.measurement import PROBABILITIES, Measured
from aios.records.metrics import Measure, find_measure, whole_range
from aios.records.sampling import (
    FEWEST_ALIKE,
    Pairs,
    fewest_resampled,
    paired_difference,
    quantile_interval,
    wilson,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Answers", "Scores", "score", "wanted_measures"]

_RESAMPLES = 2000
"""Samples that a bootstrap draws: the 2.5 % quantile then rests on 50 of them."""
_ALIKE = 1e-9
"""Relative difference that is one of rounding."""
_IGNORED = -100
"""Label of a token that is not judged."""
_CHUNK = 2_000_000
"""Numbers that a bootstrap or a comparison of neighbours holds at once: some megabytes."""


class Answers(NamedTuple):
    """What is judged; each array has one row per item.

    outputs: of the model · labels: right answers, None where nobody says · stored: outputs of the model as it is
    stored, None where they are not at hand · tokens: that went in, and mask: 1 where one is no padding
    """

    outputs: NDArray[Any]
    labels: NDArray[Any] | None = None
    stored: NDArray[Any] | None = None
    tokens: NDArray[Any] | None = None
    mask: NDArray[Any] | None = None


class Scores(NamedTuple):
    """values: metric -> figure · distributions: of those that were resampled, metric -> quantiles at PROBABILITIES"""

    values: dict[str, Measured]
    distributions: dict[str, tuple[float, ...]]


def wanted_measures(asked: Collection[str], labels: NDArray[Any] | None) -> tuple[str, ...]:
    """Return the metrics to measure: those that are asked for, and of labelled classes top-1 and the agreement, which
    cost next to nothing."""
    known = {name for name in asked if find_measure(name) is not None}
    if labels is not None and labels.ndim == 1 and labels.dtype.kind in "iu":
        known |= {"accuracy.top1", "accuracy.agreement"}
    return tuple(sorted(known))


def score(names: Collection[str], answers: Answers, meter: str, confidence: float = 0.9) -> Scores:
    """Return the figure of each of ``names`` with its interval: Wilson's of shares, Newcombe's of paired differences,
    a bootstrap's of means, and of too few items to resample all that the figure may be.

    What needs labels or stored outputs that are not there is left out. Raises InputError for labels that are no right
    answers of such outputs.
    """
    scores = Scores({}, {})
    for name in sorted(names):
        found = find_measure(name)
        if found is None:
            continue
        measure, many = found
        if (measure.labels and answers.labels is None) or (measure.stored and answers.stored is None):
            continue
        if measure.labels == "class":
            _ranked(scores, name, measure, many, answers, meter, confidence)
        elif name in ("accuracy.agreement", "accuracy.exact_match"):
            same = _exact(answers) if name == "accuracy.exact_match" else _agreeing(answers)
            _put_share(scores, name, int(same.sum()), len(same), meter, confidence)
        else:
            top, bottom, shown = _MEANS[measure.pattern](answers, many)
            if measure.shares and top.sum() in (0.0, len(top)):  # all alike, and so would be all that is drawn anew
                _put_share(scores, name, int(top.sum()), len(top), meter, confidence)
                continue
            _put_mean(scores, name, top, bottom, shown, meter, confidence)
            if not (measure.stored and _are_same(answers)) and _says_little(top / bottom, confidence):
                low, high = whole_range(name)
                scores.values[name] = scores.values[name].model_copy(update={"low": low, "high": high})
                del scores.distributions[name]
    return scores


def _are_same(answers: Answers) -> bool:
    """Say whether the outputs are those of the stored model to the last bit: nothing is left to chance."""
    import numpy as np

    return answers.stored is not None and np.array_equal(answers.outputs, answers.stored)


def _says_little(figures: NDArray[np.float64], confidence: float) -> bool:
    """Say whether nothing follows of other items from these: too few, or few and all alike."""
    alike = float(figures.max() - figures.min()) <= _ALIKE * float(abs(figures).max())
    return len(figures) < fewest_resampled(confidence) or (alike and len(figures) < FEWEST_ALIKE)


def _ranked(
    scores: Scores, name: str, measure: Measure, many: int, answers: Answers, meter: str, confidence: float
) -> None:
    assert answers.labels is not None
    right = _right(answers.outputs, answers.labels, many)
    if not measure.stored:
        _put_share(scores, name, int(right.sum()), len(right), meter, confidence)
        return
    assert answers.stored is not None
    before = _right(answers.stored, answers.labels, many)
    pairs = Pairs(*(int(x.sum()) for x in (before & right, before & ~right, ~before & right, ~before & ~right)))
    low, high = paired_difference(pairs, confidence)
    scores.values[name] = Measured(
        value=pairs.difference, low=low, high=high, unit="1", n=pairs.n, meter=meter, counts=pairs
    )


def _put_share(scores: Scores, name: str, right: int, n: int, meter: str, confidence: float) -> None:
    low, high = wilson(right, n, confidence)
    scores.values[name] = Measured(
        value=right / n, low=low, high=high, unit="1", n=n, meter=meter, counts=(right, n - right)
    )


def _put_mean(
    scores: Scores,
    name: str,
    top: NDArray[np.float64],
    bottom: NDArray[np.float64],
    shown: Callable[[Any], Any],
    meter: str,
    confidence: float,
) -> None:
    """Keep ``shown(sum(top) / sum(bottom))`` with the distribution of what it would be for items drawn anew.

    The percentile bootstrap of B. Efron (1979), from a fixed seed; ``shown`` rises, so that quantiles stay quantiles.
    """
    import numpy as np

    generator, n = np.random.default_rng(0), len(top)
    means: list[NDArray[np.float64]] = []
    step = max(1, _CHUNK // n)
    for start in range(0, _RESAMPLES, step):
        drawn = generator.integers(0, n, (min(step, _RESAMPLES - start), n))
        means.append(top[drawn].sum(axis=1) / bottom[drawn].sum(axis=1))
    quantiles = tuple(float(shown(value)) for value in np.quantile(np.concatenate(means), PROBABILITIES))
    low, high = quantile_interval(quantiles, PROBABILITIES, confidence)
    value = float(shown(top.sum() / bottom.sum()))
    scores.values[name] = Measured(value=value, low=min(low, value), high=max(high, value), unit="1", n=n, meter=meter)
    scores.distributions[name] = quantiles


def _right(outputs: NDArray[Any], labels: NDArray[np.int64], many: int) -> NDArray[np.bool_]:
    """Say of each item whether its class is among the ``many`` likeliest.

    outputs: (items, classes), larger is more likely · labels: (items,), class indices. Ties count against the model: a
    label is among the top k only if fewer than k classes score at least as high; an answer that is no number is wrong.
    """
    scores = outputs.reshape(len(outputs), -1)
    classes = scores.shape[1]
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InputError(
            Diagnostic(
                summary=f"the evaluation data's labels run from {low} to {high}, but the model has {classes} classes",
                reason=f"a label is the index of the right class, from 0 to {classes - 1}",
                remedy="correct the array `label`, or name the data that was made for this model",
            )
        )
    own = scores[range(len(labels)), labels]
    # Not "at least as high": every comparison with what is no number is false.
    at_least_as_high = classes - (scores < own[:, None]).sum(axis=1)
    right: NDArray[np.bool_] = at_least_as_high <= many
    return right


def _agreeing(answers: Answers) -> NDArray[np.bool_]:
    """Say of each item whether all its decisions are those of the stored model: the likeliest of the last axis, and of
    a single number whether it is above the middle, 1/2 of probabilities and 0 of others."""
    import numpy as np

    assert answers.stored is not None
    ours, theirs = answers.outputs, answers.stored
    if ours.ndim > 1 and ours.shape[-1] > 1:
        same = ours.argmax(axis=-1) == theirs.argmax(axis=-1)
        # No number is no decision, whichever place argmax gives it.
        same &= np.isfinite(ours).all(axis=-1)
    else:
        middle = 0.5 if theirs.min() >= 0 and theirs.max() <= 1 else 0.0
        same = (ours > middle) == (theirs > middle)
    agreed: NDArray[np.bool_] = same.reshape(len(ours), -1).all(axis=1)
    return agreed


def _exact(answers: Answers) -> NDArray[np.bool_]:
    """Say of each item whether the likeliest token is the right one wherever one is stated."""
    assert answers.labels is not None
    found, wanted = answers.outputs.argmax(axis=-1), answers.labels
    if found.shape != wanted.shape:
        raise _no_answers(found.shape, wanted.shape, "one token for each that the model gives")
    exact: NDArray[np.bool_] = ((found == wanted) | (wanted == _IGNORED)).all(axis=1)
    return exact


_Mean = tuple["NDArray[np.float64]", "NDArray[np.float64]", Callable[[Any], Any]]


def _errors(answers: Answers, _many: int) -> NDArray[np.float64]:
    """Return right answer less output, (items, numbers). Raises InputError where they are not as many."""
    import numpy as np

    assert answers.labels is not None
    found, wanted = (part.reshape(len(part), -1).astype(np.float64) for part in (answers.outputs, answers.labels))
    if found.shape != wanted.shape:
        raise _no_answers(found.shape, wanted.shape, "one number for each that the model gives")
    errors: NDArray[np.float64] = np.nan_to_num(wanted - found, nan=np.inf)
    if not np.isfinite(errors).all():
        raise InputError(Diagnostic(summary="the model gives what is no finite number, so that no error can be stated"))
    return errors


def _absolute(answers: Answers, many: int) -> _Mean:
    import numpy as np

    means = np.abs(_errors(answers, many)).mean(axis=1)
    return means, np.ones_like(means), float


def _squared(answers: Answers, many: int) -> _Mean:
    import numpy as np

    means = (_errors(answers, many) ** 2).mean(axis=1)
    return means, np.ones_like(means), np.sqrt


def _cosines(answers: Answers, _many: int) -> _Mean:
    import numpy as np

    assert answers.stored is not None
    found = (_unit(answers.outputs) * _unit(answers.stored)).sum(axis=1)
    return found, np.ones_like(found), float


def _unit(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Return each item's numbers at length 1; what is no number, or has no length, is like nothing."""
    import numpy as np

    flat = np.nan_to_num(outputs.reshape(len(outputs), -1).astype(np.float64), posinf=0.0, neginf=0.0)
    length = np.sqrt((flat * flat).sum(axis=1, keepdims=True))
    unit: NDArray[np.float64] = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    return unit


def _neighbours(answers: Answers, many: int) -> _Mean:
    """Shares of the nearest items that are the nearest with the stored model too."""
    import numpy as np

    assert answers.stored is not None
    n = len(answers.outputs)
    if n <= many:
        summary = f"the {many} nearest of {n} items are all of them: recall{many} needs more items than {many}"
        raise InputError(Diagnostic(summary=summary, remedy="evaluate on more items, or ask for fewer neighbours"))
    ours, theirs = _unit(answers.outputs), _unit(answers.stored)
    shares = np.empty(n)
    step = max(1, _CHUNK // n)
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        near = [_nearest(side[rows] @ side.T, rows, many) for side in (ours, theirs)]
        shares[rows] = [len(set(one) & set(two)) / many for one, two in zip(*near, strict=True)]
    return shares, np.ones(n), float


def _nearest(likeness: NDArray[np.float64], own: NDArray[np.int64], many: int) -> list[list[int]]:
    import numpy as np

    likeness[range(len(own)), own] = -np.inf
    nearest: list[list[int]] = np.argpartition(-likeness, many - 1, axis=1)[:, :many].tolist()
    return nearest


def _surprise(answers: Answers, _many: int) -> _Mean:
    """Negative log-likelihood of the right tokens of each item, and how many: labels where there are some, else the
    token that comes next."""
    import numpy as np

    logits, wanted = answers.outputs, answers.labels
    if wanted is None or wanted.ndim != 2:
        tokens = answers.tokens
        if tokens is None:
            summary, remedy = "perplexity needs the tokens that go in", "give right answers, one token at each position"
            raise InputError(Diagnostic(summary=summary, remedy=remedy))
        mask = np.ones_like(tokens) if answers.mask is None else answers.mask
        wanted = np.full(tokens.shape, _IGNORED)
        wanted[:, :-1] = np.where(mask[:, 1:] * mask[:, :-1] > 0, tokens[:, 1:], _IGNORED)
    if logits.ndim != 3 or logits.shape[:2] != wanted.shape or wanted.max() >= logits.shape[2]:
        raise _no_answers(logits.shape, wanted.shape, "items x tokens, and for each a score of every token")
    lost, count = np.zeros(len(logits)), (wanted != _IGNORED).sum(axis=1).astype(np.float64)
    for item, own in enumerate(logits):
        at = np.flatnonzero(wanted[item] != _IGNORED)
        rows = own[at].astype(np.float64)
        rows -= rows.max(axis=1, keepdims=True, initial=-np.inf)
        lost[item] = (np.log(np.exp(rows).sum(axis=1)) - rows[range(len(at)), wanted[item, at]]).sum()
    kept = count > 0
    if not kept.any() or not np.isfinite(lost).all():
        what = "no token has one before it" if not kept.any() else "the model gives what is no number"
        raise InputError(Diagnostic(summary=f"there is no perplexity: {what}"))
    return lost[kept], count[kept], np.exp


_MEANS: Mapping[str, Callable[[Answers, int], _Mean]] = {
    "cosine": _cosines,
    r"recall(\d+)": _neighbours,
    "mae": _absolute,
    "rmse": _squared,
    "perplexity": _surprise,
}
"""Pattern of a measure -> what its mean is taken over: numerators and denominators by item, and what is shown of it."""


def _no_answers(found: tuple[int, ...], wanted: tuple[int, ...], form: str) -> InputError:
    return InputError(
        Diagnostic(
            summary=f"the right answers have shape {list(wanted)}, and the model's outputs {list(found)}",
            reason=f"what is asked for needs {form}",
            remedy="correct `label` of the evaluation data, or ask for another measure",
        )
    )
