"""What is true, and what is measured; NumPy alone."""
