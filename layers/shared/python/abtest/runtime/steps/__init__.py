"""What each lifecycle step does, over ports: the functions parse, call one of these and map the result."""
