"""Which way a metric is better, told by its name where nobody said."""

from __future__ import annotations

import re
from functools import lru_cache

_SMALLER = frozenset(
    "loss error errors err mse rmse rmsle mae mape smape mdape medae nll bce ce kl kld wer cer "
    "fid kid lpips logloss perplexity ppl bpb bpc bpd deviance regret eer ece brier hinge "
    "distance latency time duration seconds secs ms fpr fnr hamming chamfer emd residual cost "
    "memory".split()
)
_LARGER = frozenset(
    "accuracy acc auc auroc auprc ap map f precision recall score reward return r iou miou dice "
    "bleu rouge ssim psnr throughput ndcg mrr hits".split()
)
_BESIDE = frozenset(
    "latency time duration runtime elapsed seconds secs ms memory throughput epoch epochs step "
    "steps iteration iterations lr learning grad grads gradient gradients norm weights".split()
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def beside(name: str) -> bool:
    """Say whether a metric tells what a run took or where it stood, not how good it is."""
    words = {w.lower() for w in _WORDS.findall(name)}
    return bool(words & _BESIDE) and not words & ((_SMALLER | _LARGER) - _BESIDE)


@lru_cache(4096)
def is_setting(name: str) -> bool:
    """Say whether a metric tells where a run stood (``lr``, ``epoch``), and no way is better."""
    return beside(name) and not usual_goal(name)


def default_goal(name: str) -> str:
    """Return which way a metric of this name is usually better, ``max`` if it tells nothing."""
    return usual_goal(name) or "max"


def usual_goal(name: str) -> str:
    """Return ``min`` or ``max`` where a metric's name tells which way it is better, else nothing.

    The last word that says anything decides (``val/loss``, ``testRMSE``, ``loss@10``,
    ``mse_mean``), before a ``per`` if there is one (``tokens_per_second``).
    """
    words = [w.lower() for w in _WORDS.findall(name)]
    if words[:1] == ["neg"]:  # scikit-learn's scorers: neg_log_loss
        return "max"
    if "per" in words[1:]:
        words = words[: words.index("per", 1)]
    for word in reversed(words):
        if word in _SMALLER:
            return "min"
        if word in _LARGER:
            return "max"
    return ""
