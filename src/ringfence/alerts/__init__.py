"""Alerts: what decisions the fraud team and the customer hear of, how often, and in which words."""
