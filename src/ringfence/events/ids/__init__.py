"""Identities of events and entities: how they are told apart, hashed and remembered."""
