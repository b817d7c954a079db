"""The metrics of predictions; each lives as a `Metric` in pipeline/verdict/metrics.py, with its facts."""

# metrics that `verdict.metric` in params.yaml may name: name -> where the Metric lives
DECIDING: dict[str, str] = {
    "balanced_accuracy": "pipeline.verdict.metrics:BALANCED_ACCURACY",
    "accuracy": "pipeline.verdict.metrics:ACCURACY",
    "macro_f1": "pipeline.verdict.metrics:MACRO_F1",
    "roc_auc": "pipeline.verdict.metrics:ROC_AUC",
}
# metrics that are reported beside them and decide nothing: lower is better
REPORTED: dict[str, str] = {
    "log_loss": "pipeline.verdict.metrics:LOG_LOSS",
    "ece": "pipeline.verdict.metrics:ECE",
}
