"""What every run has: its count, its list of findings, what it may tell, when it must stop."""
