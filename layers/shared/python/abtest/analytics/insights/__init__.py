"""Facts worth telling beside the decision."""
