"""Whether a model in force is still good: drift, its standing, and news of both."""
