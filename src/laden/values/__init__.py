"""What flows: records, events, the one error tree with its exit codes, safe names, numbers as people read them."""
