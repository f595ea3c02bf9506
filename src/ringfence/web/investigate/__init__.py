"""What an analyst sees of a payment, a case, or an entity."""
