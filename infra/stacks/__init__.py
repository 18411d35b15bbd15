"""The three stacks of an environment: what keeps state, what serves, what watches."""
