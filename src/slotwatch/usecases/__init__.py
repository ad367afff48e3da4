"""What a person or a charger asks for, one transaction each."""
