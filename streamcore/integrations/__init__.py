"""What fits streamcore into other packages: one module each, imported by nothing here."""
