"""What happens when parts of the product die, hang or run out: `make faults`."""
