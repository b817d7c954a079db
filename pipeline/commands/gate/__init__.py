"""The gate: what a change of code, data or params may not do to the committed results without somebody's consent."""
