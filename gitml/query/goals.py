"""Which way a metric is better, told by its name where nobody said."""

from __future__ import annotations

import re

_SMALLER = frozenset(
    "loss error errors err mse rmse rmsle mae mape smape mdape medae nll bce ce kl kld wer cer ter per fid kid "
    "lpips logloss perplexity ppl bpb bpc bpd deviance regret rank eer ece brier hinge distance latency time "
    "duration seconds ms fpr fnr hamming chamfer emd residual cost".split()
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def default_goal(name: str) -> str:
    """Return ``min`` or ``max``, whichever a metric of this name usually wants.

    The last word decides (``val/loss``, ``log_loss``, ``testRMSE``, ``loss@10``), or the first
    where the last is a number or says nothing (``loss_total``, ``mse_val``).
    """
    words = [w.lower() for w in _WORDS.findall(name) if not w.isdigit()]
    return "min" if any(w in _SMALLER for w in (words[:1] + words[-1:])) else "max"
