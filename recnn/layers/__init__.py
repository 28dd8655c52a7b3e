"""Networks made of cells: encoders of forests, recurrent networks, output heads, attention."""
