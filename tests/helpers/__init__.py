"""What tests are made with: small data, small networks, small experiments. No test is in here."""
