"""Originals of personal data, encrypted, in a file of their own."""

from ringfence.adapters.vault.keyring import Keyring
from ringfence.adapters.vault.vault import SqliteVault, has_vault
from ringfence.adapters.vault.writer import VaultWriter

__all__ = ["Keyring", "SqliteVault", "VaultWriter", "has_vault"]
