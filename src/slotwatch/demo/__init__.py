"""The demo town of `slotwatch up`: two vendors, stations around the world, and drivers who do what drivers do."""
