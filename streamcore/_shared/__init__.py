"""Rules that both backends build on; nothing here imports one of them."""
