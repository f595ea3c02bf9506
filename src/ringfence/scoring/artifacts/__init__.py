"""Models as they are kept and put in force, and what they say of a payment."""
