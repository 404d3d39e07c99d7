"""The way of a byte, one stage a module: survey, inventory, plan, transfer, proof, publish. None calls another."""
