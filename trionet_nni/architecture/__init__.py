"""What a network is and what it costs, as plain values: nothing here needs torch."""
