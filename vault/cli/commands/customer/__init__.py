"""Create, show and erase customers."""
