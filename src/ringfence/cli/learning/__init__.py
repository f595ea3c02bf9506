"""Commands for models: training, comparing, watching and putting them in force."""
