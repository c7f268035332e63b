"""The Runnable protocol and what composes it; the public names are resolved by ``streamcore`` itself."""
