"""Engines that cut bytes by size, at line ends or at delimiters."""
