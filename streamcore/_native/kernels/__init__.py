"""What two families use: CPU features, byte scanning, UTF-8, the C stack."""
