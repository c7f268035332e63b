"""The compiled core. Absent in a pure install; ``_backend`` falls back to ``_pure`` then."""
