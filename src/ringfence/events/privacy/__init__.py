"""What must not be seen: card data, personal data, and the tokens that stand for them."""
