"""Registry of metrics: import paths of `Metric` objects."""

# metrics that `verdict.metric` in params.yaml may name
DECIDING: dict[str, str] = {
    "balanced_accuracy": "pipeline.verdict.metrics:BALANCED_ACCURACY",
    "accuracy": "pipeline.verdict.metrics:ACCURACY",
    "macro_f1": "pipeline.verdict.metrics:MACRO_F1",
    "roc_auc": "pipeline.verdict.metrics:ROC_AUC",
}
# metrics that are only reported; lower is better
REPORTED: dict[str, str] = {
    "log_loss": "pipeline.verdict.metrics:LOG_LOSS",
    "ece": "pipeline.verdict.metrics:ECE",
}
