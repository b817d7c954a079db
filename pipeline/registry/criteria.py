"""The criteria that choose among adapted networks without labels, `adapt.criterion` in params.yaml."""

# criterion -> where the function Trial -> float (larger is better) lives
CRITERIA: dict[str, str] = {
    "reverse_validation": "pipeline.adaptation.criteria:reverse_validation",
    "neighbourhood_density": "pipeline.adaptation.criteria:by_neighbourhood_density",
    "information": "pipeline.adaptation.criteria:by_information",
    "entropy": "pipeline.adaptation.criteria:by_entropy",
}
