"""What is: the frozen values that pass between the rooms; no rules of any protocol, no input or output."""
