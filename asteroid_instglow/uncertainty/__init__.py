"""How sure a separation is, who plays, and what else it could be."""
