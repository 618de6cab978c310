"""The analysis stage: transcript and acoustic facts in, findings with evidence out."""
