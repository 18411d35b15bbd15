"""How each provider's models do: a shared record, a circuit breaker over it, and a check that costs one token."""
