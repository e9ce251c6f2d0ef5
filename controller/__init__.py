"""What it all is for: reps, asymmetry, outputs."""
