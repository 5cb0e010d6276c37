"""Which way a metric is better, by its name alone."""

from __future__ import annotations

import pytest

from gitml.model import Metric, Run
from gitml.query.columns import leading_metrics
from gitml.query.goals import default_goal, is_setting, usual_goal

MIN = (
    "loss val/loss val_loss train_loss_epoch loss@10 log_loss logloss logLoss error error_rate "
    "test_err top1_err mse RMSE val.rmse testMAE mean_squared_error perplexity ppl WER cer fid "
    "latency p99_latency_ms time train_time time_per_step step_time_ms duration "
    "seconds_per_epoch system/memory"
).split()
MAX = (
    "accuracy acc auc val/auc ROC-AUC f1 f1_score macro_f1 precision recall r2 map mAP50 iou bleu "
    "reward tokens_per_second neg_log_loss neg_mean_squared_error score lossless throughput xyz "
    "epoch é 42"
).split()


@pytest.mark.parametrize("name", MIN)
def test_less_is_better(name):
    assert default_goal(name) == "min"


@pytest.mark.parametrize("name", [*MAX, ""])
def test_more_is_better(name):
    assert default_goal(name) == "max"


def test_a_name_that_tells_nothing():
    assert [usual_goal(name) for name in ("xyz", "lr", "grad/m1", "", "é", "42")] == [""] * 6
    assert all(map(is_setting, ("lr", "epoch", "train/global_step", "grad_norm")))
    assert not any(map(is_setting, ("xyz", "auc", "step_time_ms", "epoch_loss", "throughput")))
    assert (usual_goal("val/auc"), usual_goal("val/loss")) == ("max", "min")


def test_what_a_run_took_comes_after_how_good_it_is():
    def run(*names, goal=None):
        one = {"last": 1.0, "step": 1, "min": 1.0, "max": 1.0, "count": 1, "goal": goal}
        metrics = {name: Metric(**one) for name in names}
        return Run(
            id="a" * 32, name="a", experiment="b", status="finished", created=0, metrics=metrics
        )

    told = run(
        "epoch", "grad_norm", "lr", "step_time_ms", "system/memory", "train_loss_epoch", "zeal"
    )
    assert leading_metrics([told, run("epoch")]) == [
        *("train_loss_epoch", "zeal"),
        *("epoch", "grad_norm", "lr", "step_time_ms"),
        "system/memory",
    ]
    assert leading_metrics([told, run("latency", goal="min")])[0] == "latency"
