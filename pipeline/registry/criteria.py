"""Registry of label-free model selection criteria for adaptation, `adapt.criterion` in params.yaml."""

# criterion -> import path of the function Trial -> float (higher is better)
CRITERIA: dict[str, str] = {
    "reverse_validation": "pipeline.adaptation.criteria:reverse_validation",
    "neighbourhood_density": "pipeline.adaptation.criteria:by_neighbourhood_density",
    "information": "pipeline.adaptation.criteria:by_information",
    "entropy": "pipeline.adaptation.criteria:by_entropy",
}
