"""What every domain may use: errors, hashing, identifiers, money, time and the discovery of variants."""
