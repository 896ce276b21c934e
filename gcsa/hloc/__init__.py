"""What hloc and this package exchange: pairs files, in both directions."""
