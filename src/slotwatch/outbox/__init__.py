"""What people must be told, kept until told: compose, claim, retry, fall back, record."""
