"""What a booking is and how it may change: standard library only, no clock, no input or output."""
