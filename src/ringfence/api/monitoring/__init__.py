"""What a server tells unasked: figures, and news of models, objectives and rings."""
